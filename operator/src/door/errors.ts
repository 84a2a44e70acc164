/**
 * What went wrong at a door: `credentials` (the operator has no certificate yet), `unreachable` (no connection, TLS
 * refused, time out), `refused` (an HTTP status), `answer` (not what was agreed), `rpc` (geth answered with an error).
 */
export type DoorErrorKind = 'credentials' | 'unreachable' | 'refused' | 'answer' | 'rpc';

/** A call to a sidecar's ops port that failed. The message names the door and the reason, and holds no secret. */
export class DoorError extends Error {
  override readonly name = 'DoorError';
  readonly kind: DoorErrorKind;

  constructor(kind: DoorErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}
