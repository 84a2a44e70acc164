import { describe, expect, it } from 'vitest';
import { KubeApiError, KubeConnectionError } from './errors.ts';
import { MAX_ATTEMPTS, retryDelay } from './retry.ts';

const refused = (code: number, retryAfterSeconds?: number) =>
  new KubeApiError({
    code,
    reason: 'X',
    message: 'm',
    request: 'GET /',
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  });
const broken = (code: string) => new KubeConnectionError('GET /', Object.assign(new Error('x'), { code }));
const even = () => 0.5;

describe('retryDelay', () => {
  it('obeys Retry-After, within limits', () => {
    expect(retryDelay(refused(429, 2), 'POST', 1, even)).toBe(2_100);
    expect(retryDelay(refused(503, 3600), 'GET', 1, even)).toBe(10_100);
    expect(retryDelay(refused(429), 'GET', 3, even)).toBe(400);
  });

  it('gives up on what repeating does not help', () => {
    for (const code of [400, 401, 403, 404, 409, 410, 422, 500, 503]) {
      expect(retryDelay(refused(code), 'GET', 1)).toBeUndefined();
    }
    expect(retryDelay(new Error('bug'), 'GET', 1)).toBeUndefined();
    expect(retryDelay(refused(429), 'GET', MAX_ATTEMPTS)).toBeUndefined();
  });

  it('repeats after a broken connection only what may be sent twice', () => {
    expect(retryDelay(broken('ECONNRESET'), 'PATCH', 1)).toBeDefined();
    expect(retryDelay(broken('ECONNRESET'), 'POST', 1)).toBeUndefined();
    expect(retryDelay(broken('ECONNREFUSED'), 'POST', 1)).toBeDefined();
    const many = new AggregateError([Object.assign(new Error('x'), { code: 'ECONNREFUSED' })]);
    expect(retryDelay(new KubeConnectionError('GET /', many), 'POST', 1)).toBeDefined();
  });
});
