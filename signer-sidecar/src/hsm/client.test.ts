import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { recoverAddress, Signature } from 'ethers';
import pino from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { makeTestToken, type TestToken } from '../token/softhsm-fixture.ts';
import type { HsmTuning } from './client.ts';
import { type HsmClient, type HsmOptions, startHsm } from './client.ts';

const HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n;
const quick: Partial<HsmTuning> = {
  restartFirstMs: 20,
  restartMaxMs: 100,
  pingIntervalMs: 100,
  pingTimeoutMs: 1_500,
  pinPollMs: 50,
};

let token: TestToken;
let client: HsmClient | undefined;
let logged: string[] = [];

beforeAll(async () => {
  token = await makeTestToken(['default', 'second']);
});
afterAll(() => rmSync(token.directory, { recursive: true, force: true }));
afterEach(async () => {
  await client?.stop();
  client = undefined;
});

async function start(changes: Partial<HsmOptions> = {}, tuning = quick): Promise<HsmClient> {
  logged = [];
  const log = pino({ level: 'debug' }, { write: (line: string) => logged.push(line) });
  client = await startHsm({ ...token.options, ...changes }, log, tuning);
  return client;
}

async function startReady(changes: Partial<HsmOptions> = {}, tuning = quick): Promise<HsmClient> {
  const started = await start(changes, tuning);
  await vi.waitFor(() => expect(started.ready()).toBe(true), 10_000);
  return started;
}

/** Pids of HSM processes that are children of this one. */
function children(): number[] {
  const found: number[] = [];
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      const parent = /^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${name}/status`, 'utf8'))?.[1];
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8');
      if (Number(parent) === process.pid && command.includes('worker-main')) found.push(Number(name));
    } catch {
      // It ended between the listing and the reading.
    }
  }
  return found;
}

async function expectGood(client: HsmClient, digest: Uint8Array, key = client.keys()[0]!): Promise<void> {
  const { r, s, yParity } = await client.sign(key.id, digest);
  expect(BigInt(s)).toBeLessThanOrEqual(HALF_ORDER);
  const hex = `0x${Buffer.from(digest).toString('hex')}`;
  expect(recoverAddress(hex, Signature.from({ r, s, yParity }))).toBe(key.address);
}

describe('signing', () => {
  it('finds the keys that were made, with their attributes', async () => {
    const hsm = await startReady();
    const names = token.record.keys.map((key) => key.address).sort();
    expect(
      hsm
        .keys()
        .map((key) => key.address)
        .sort(),
    ).toEqual(names);
    expect(hsm.keys()[0]!.attributes).toMatchObject({ sensitive: true, extractable: false, modifiable: false });
  });

  it('signs 500 random digests at once, low-s, each recovering to its own key', async () => {
    const hsm = await startReady();
    const jobs = Array.from({ length: 500 }, (_, i) => expectGood(hsm, randomBytes(32), hsm.keys()[i % 2]));
    await Promise.all(jobs);
  });

  it('refuses what is not 32 bytes, and unknown keys, without asking the HSM', async () => {
    const hsm = await startReady();
    const id = hsm.keys()[0]!.id;
    for (const length of [0, 1, 31, 33, 64]) {
      await expect(hsm.sign(id, new Uint8Array(length))).rejects.toMatchObject({ code: 'BAD_REQUEST' });
    }
    await expect(hsm.sign('00ff', randomBytes(32))).rejects.toMatchObject({ code: 'KEY_NOT_FOUND' });
    await expectGood(hsm, randomBytes(32));
  });

  it('lets signatures in flight end when it is stopped, then refuses', async () => {
    const hsm = await startReady();
    const id = hsm.keys()[0]!.id;
    const jobs = Array.from({ length: 40 }, () => hsm.sign(id, randomBytes(32)));
    await hsm.stop();
    expect((await Promise.allSettled(jobs)).every((job) => job.status === 'fulfilled')).toBe(true);
    expect(children()).toEqual([]);
    await expect(hsm.sign(id, randomBytes(32))).rejects.toMatchObject({ code: 'HSM_UNAVAILABLE' });
  });
});

describe('what is wrong is said', () => {
  it('names the tokens it sees when the serial is another', async () => {
    const hsm = await start({ tokenSerial: '0123456789abcdef' });
    await vi.waitFor(() => expect(hsm.lastError()?.code).toBe('TOKEN_NOT_FOUND'), 10_000);
    expect(hsm.lastError()?.message).toContain(token.record.serial);
    expect(hsm.ready()).toBe(false);
    await expect(hsm.sign('00', randomBytes(32))).rejects.toThrow(/No token has label accounts and serial 0123/);
  });

  it('says when the module is not there', async () => {
    const hsm = await start({ modulePath: '/nowhere/module.so' });
    await vi.waitFor(() => expect(hsm.lastError()?.code).toBe('MODULE_NOT_LOADED'), 10_000);
  });

  it('tries a wrong PIN exactly once, waits for its file to change, and works with the right one', async () => {
    const right = readFileSync(token.pinFile, 'utf8');
    const logins = () => logged.filter((line) => line.includes('logging in')).length;
    const processes = () => logged.filter((line) => line.includes('HSM process ended')).length;
    try {
      writeFileSync(token.pinFile, '99999999');
      const hsm = await start();
      await vi.waitFor(() => expect(hsm.lastError()?.code).toBe('PIN_INCORRECT'), 10_000);
      writeFileSync(token.pinFile, '99999999\n');
      await vi.waitFor(() => expect(processes()).toBe(2), 10_000);
      expect(logins()).toBe(1);
      expect(hsm.ready()).toBe(false);
      writeFileSync(token.pinFile, right);
      await vi.waitFor(() => expect(hsm.ready()).toBe(true), 10_000);
      expect(logins()).toBe(2);
      await expectGood(hsm, randomBytes(32));
      expect(logged.join('')).not.toContain('99999999');
      expect(logged.join('')).not.toContain(right.trim());
    } finally {
      writeFileSync(token.pinFile, right);
    }
  });
});

describe('a process that dies or hangs', () => {
  it('is replaced when killed under load; no signature is wrong, requests fail clearly or succeed', async () => {
    const hsm = await startReady();
    const key = hsm.keys()[0]!;
    const failed: unknown[] = [];
    let good = 0;
    const user = async (): Promise<void> => {
      for (let i = 0; i < 40; i++) {
        await expectGood(hsm, randomBytes(32), key).then(
          () => good++,
          async (error) => {
            failed.push(error);
            await new Promise((resolve) => setTimeout(resolve, 30));
          },
        );
      }
    };
    const users = Promise.all(Array.from({ length: 8 }, user));
    await vi.waitFor(() => expect(good).toBeGreaterThan(20));
    for (const pid of children()) process.kill(pid, 'SIGKILL');
    await users;
    expect(failed.length).toBeGreaterThan(0);
    for (const error of failed) expect(error).toMatchObject({ code: 'HSM_UNAVAILABLE', retryable: true });
    await vi.waitFor(() => expect(hsm.ready()).toBe(true), 10_000);
    await expectGood(hsm, randomBytes(32), key);
  });

  it('is killed and replaced when it hangs; the request ends at its deadline', async () => {
    const hsm = await startReady({ signTimeoutMs: 400 }, { ...quick, pingTimeoutMs: 60_000 });
    const key = hsm.keys()[0]!;
    const [pid] = children();
    process.kill(pid!, 'SIGSTOP');
    const asked = performance.now();
    await expect(hsm.sign(key.id, randomBytes(32))).rejects.toMatchObject({ code: 'HSM_TIMEOUT', retryable: true });
    expect(performance.now() - asked).toBeLessThan(1_500);
    await vi.waitFor(() => expect(hsm.ready()).toBe(true), 10_000);
    await expectGood(hsm, randomBytes(32), key);
    expect(children()).not.toContain(pid);
  });

  it('is noticed by its silence although nobody signs', async () => {
    const hsm = await startReady();
    const [pid] = children();
    process.kill(pid!, 'SIGSTOP');
    await vi.waitFor(() => expect(children()).not.toContain(pid), 10_000);
    await vi.waitFor(() => expect(hsm.ready()).toBe(true), 10_000);
  });

  it('recovers when the token files vanish, since each start unpacks them afresh', async () => {
    const hsm = await startReady({}, { ...quick, healthIntervalMs: 200 });
    rmSync(`${token.options.softhsm!.directory}/tokens`, { recursive: true });
    await vi.waitFor(() => expect(logged.join('')).toMatch(/HSM process ended/), 10_000);
    await vi.waitFor(() => expect(hsm.ready()).toBe(true), 10_000);
    await expectGood(hsm, randomBytes(32));
  });
});

it('the HSM process gets no environment of ours and tells nothing in its arguments', async () => {
  process.env.CANARY_VARIABLE = 'canary-value';
  try {
    await startReady();
    const [pid] = children();
    const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').filter(Boolean);
    expect(environment.map((entry) => entry.split('=')[0]).sort()).toEqual(['SOFTHSM2_CONF', 'UV_THREADPOOL_SIZE']);
    const threads = execFileSync('ls', [`/proc/${pid}/task`], { encoding: 'utf8' })
      .trim()
      .split('\n').length;
    expect(threads).toBeGreaterThanOrEqual(token.options.sessions);
    expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8')).not.toContain(token.record.label);
  } finally {
    delete process.env.CANARY_VARIABLE;
  }
});
