/** A signal that aborts after a time or with a parent; `clear` releases timer and listener. */
export interface Deadline {
  readonly signal: AbortSignal;
  /** True when the time passed, rather than the parent aborted. */
  readonly expired: boolean;
  /** Starts the time anew. */
  touch(): void;
  clear(): void;
}

export function deadline(milliseconds: number, parent?: AbortSignal): Deadline {
  const controller = new AbortController();
  let expired = false;
  const expire = () => {
    expired = true;
    controller.abort(new DOMException(`no answer within ${milliseconds / 1000} s`, 'TimeoutError'));
  };
  const timer = setTimeout(expire, milliseconds);
  const follow = () => controller.abort(parent?.reason);
  parent?.addEventListener('abort', follow, { once: true });
  if (parent?.aborted === true) {
    follow();
  }
  return {
    signal: controller.signal,
    get expired() {
      return expired;
    },
    touch: () => void timer.refresh(),
    clear: () => {
      clearTimeout(timer);
      parent?.removeEventListener('abort', follow);
    },
  };
}

/** Resolves after the time, or at once when the signal aborts. Never rejects. */
export function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) {
      resolve();
      return;
    }
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal?.addEventListener('abort', end, { once: true });
  });
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
    } else {
      signal.addEventListener('abort', () => resolve(), { once: true });
    }
  });
}
