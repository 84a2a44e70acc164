/** Body of a failed API request, as metav1.Status has it. */
export interface StatusDetails {
  name?: string;
  group?: string;
  kind?: string;
  uid?: string;
  causes?: { reason?: string; message?: string; field?: string }[];
  retryAfterSeconds?: number;
}

export interface KubeApiErrorFields {
  code: number;
  reason: string;
  message: string;
  details?: StatusDetails;
  /** `PATCH /apis/apps/v1/namespaces/a/statefulsets/b`, without query. */
  request: string;
  retryAfterSeconds?: number;
}

/**
 * The API server refused a request. `code` is the HTTP status, `reason` the machine-readable word of metav1.Status
 * (`NotFound`, `Conflict`, `Invalid`, `Forbidden`, …; `Unknown` when the body was not a Status).
 */
export class KubeApiError extends Error {
  override readonly name = 'KubeApiError';
  readonly code: number;
  readonly reason: string;
  readonly details: StatusDetails | undefined;
  readonly request: string;
  readonly retryAfterSeconds: number | undefined;

  constructor(fields: KubeApiErrorFields, options?: ErrorOptions) {
    super(`${fields.request}: ${fields.message} (${fields.code} ${fields.reason})`, options);
    this.code = fields.code;
    this.reason = fields.reason;
    this.details = fields.details;
    this.request = fields.request;
    this.retryAfterSeconds = fields.retryAfterSeconds;
  }

  get isNotFound(): boolean {
    return this.code === 404;
  }

  get isAlreadyExists(): boolean {
    return this.code === 409 && this.reason === 'AlreadyExists';
  }

  /** Somebody else changed the object first; read again and decide again. */
  get isConflict(): boolean {
    return this.code === 409 && this.reason !== 'AlreadyExists';
  }

  get isForbidden(): boolean {
    return this.code === 403;
  }

  /** The API server's validation refused the object; repeating the request does not help. */
  get isInvalid(): boolean {
    return this.code === 422 || (this.code === 400 && this.reason === 'BadRequest');
  }

  /** The resource version asked for is no longer kept: list again. */
  get isExpired(): boolean {
    return this.code === 410 || this.reason === 'Expired' || this.reason === 'Gone';
  }

  get isTooManyRequests(): boolean {
    return this.code === 429;
  }
}

/** A request got no answer: the connection failed, was cut, or the deadline passed. */
export class KubeConnectionError extends Error {
  override readonly name = 'KubeConnectionError';
  readonly request: string;

  constructor(request: string, cause: unknown) {
    super(`${request}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.request = request;
  }
}
