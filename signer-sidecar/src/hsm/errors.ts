/** Every kind of failure that the HSM side reports, closed so that callers can map each one to an answer. */
export type HsmErrorCode =
  | 'HSM_UNAVAILABLE'
  | 'HSM_TIMEOUT'
  | 'HSM_OVERLOADED'
  | 'HSM_FAILURE'
  | 'MODULE_NOT_LOADED'
  | 'TOKEN_NOT_FOUND'
  | 'TOKEN_AMBIGUOUS'
  | 'PIN_INCORRECT'
  | 'PIN_LOCKED'
  | 'PIN_UNREADABLE'
  | 'KEY_NOT_FOUND'
  | 'KEY_AMBIGUOUS'
  | 'SESSION_LOST'
  | 'SIGNATURE_WRONG'
  | 'BAD_REQUEST'
  | 'ARCHIVE_INVALID';

const retryableCodes = new Set<HsmErrorCode>([
  'HSM_UNAVAILABLE',
  'HSM_TIMEOUT',
  'HSM_OVERLOADED',
  'SESSION_LOST',
  'SIGNATURE_WRONG',
]);

/** A failure of the HSM side. `retryable`: the same request may succeed later without anybody changing anything. */
export class HsmError extends Error {
  readonly code: HsmErrorCode;
  readonly retryable: boolean;

  constructor(code: HsmErrorCode, message: string, options?: { cause?: unknown; retryable?: boolean }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'HsmError';
    this.code = code;
    this.retryable = options?.retryable ?? retryableCodes.has(code);
  }
}

const byResult: Record<string, { code: HsmErrorCode; hint: string }> = {
  CKR_PIN_INCORRECT: { code: 'PIN_INCORRECT', hint: 'the PIN is wrong; it is not tried again before its file changes' },
  CKR_PIN_INVALID: { code: 'PIN_INCORRECT', hint: 'the PIN has a form the token does not take' },
  CKR_PIN_LEN_RANGE: { code: 'PIN_INCORRECT', hint: 'the PIN is too short or too long for the token' },
  CKR_PIN_EXPIRED: { code: 'PIN_INCORRECT', hint: 'the PIN has expired; set a new one at the HSM' },
  CKR_PIN_LOCKED: { code: 'PIN_LOCKED', hint: 'the PIN is locked; unlock it at the HSM with the security officer' },
  CKR_USER_PIN_NOT_INITIALIZED: { code: 'PIN_INCORRECT', hint: 'the token has no user PIN yet' },
  CKR_TOKEN_NOT_PRESENT: { code: 'TOKEN_NOT_FOUND', hint: 'the token has gone' },
  CKR_TOKEN_NOT_RECOGNIZED: { code: 'TOKEN_NOT_FOUND', hint: 'the module does not recognise the token' },
  CKR_SLOT_ID_INVALID: { code: 'TOKEN_NOT_FOUND', hint: 'the slot has gone' },
  CKR_DEVICE_REMOVED: { code: 'SESSION_LOST', hint: 'the device was removed' },
  CKR_SESSION_HANDLE_INVALID: { code: 'SESSION_LOST', hint: 'the session has ended' },
  CKR_SESSION_CLOSED: { code: 'SESSION_LOST', hint: 'the session has ended' },
  CKR_OPERATION_ACTIVE: { code: 'SESSION_LOST', hint: 'the session was left in the middle of an operation' },
  CKR_OPERATION_NOT_INITIALIZED: { code: 'SESSION_LOST', hint: 'the session lost its operation' },
  CKR_USER_NOT_LOGGED_IN: { code: 'SESSION_LOST', hint: 'the token lost its login' },
  CKR_OBJECT_HANDLE_INVALID: { code: 'SESSION_LOST', hint: 'the key handle is stale' },
  CKR_KEY_HANDLE_INVALID: { code: 'SESSION_LOST', hint: 'the key handle is stale' },
  CKR_CRYPTOKI_ALREADY_INITIALIZED: {
    code: 'HSM_FAILURE',
    hint: 'something else in this process initialised the module, perhaps without locking',
  },
  CKR_USER_ALREADY_LOGGED_IN: {
    code: 'HSM_FAILURE',
    hint: 'this process is logged in already, so the token did not look at the PIN',
  },
  CKR_CRYPTOKI_NOT_INITIALIZED: { code: 'SESSION_LOST', hint: 'the module is not initialised' },
  CKR_DATA_LEN_RANGE: { code: 'BAD_REQUEST', hint: 'the module takes no digest of this length' },
};

/** Turns whatever the native binding threw into an HsmError that names the PKCS#11 result and the step it came from. */
export function fromPkcs11(error: unknown, step: string): HsmError {
  if (error instanceof HsmError) return error;
  const text = error instanceof Error ? error.message : String(error);
  const result = /CKR_[A-Z0-9_]+/.exec(text)?.[0];
  const known = result === undefined ? undefined : byResult[result];
  if (known !== undefined) return new HsmError(known.code, `${step}: ${known.hint} (${result})`, { cause: error });
  const first = text.split('\n')[0] ?? text;
  return new HsmError('HSM_FAILURE', `${step}: ${result ?? first}`, { cause: error, retryable: result !== undefined });
}
