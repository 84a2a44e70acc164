import { randomBytes } from 'node:crypto';
import { Module, Slot } from 'graphene-pk11';
import pkcs11 from 'pkcs11js';
import secp256k1 from 'secp256k1/bindings.js';
import { beforeEach, describe, expect, it } from 'vitest';
import type { HsmError } from './errors.ts';
import { SigningPool } from './pool.ts';
import { finishSignature } from './signature.ts';
import type { HsmKey } from './types.ts';

/** A library in memory whose faults the tests choose; SoftHSM itself is tried in client.test.ts. */
class FakeLibrary {
  readonly secret = randomBytes(32);
  readonly publicKey = Buffer.from(secp256k1.publicKeyCreate(this.secret, false));
  readonly open = new Set<number>();
  readonly log: string[] = [];
  readonly held: (() => void)[] = [];
  /** What the next signatures do, in order; 'good' when the list is empty. */
  faults: ('good' | 'hold' | 'error' | 'init-error' | 'other-digest' | 'high-s')[] = [];
  refuseSessions = false;
  #next = 1;
  #fault: string = 'good';

  /** Lets signatures that were held end. */
  release(): void {
    for (const finish of this.held.splice(0)) finish();
  }
  C_GetSlotInfo() {
    return { slotDescription: 'in memory', manufacturerID: '', flags: 1, hardwareVersion: {}, firmwareVersion: {} };
  }
  C_GetSessionInfo() {
    return { slotID: handleOf(0), state: 3, flags: 6, deviceError: 0 };
  }
  C_OpenSession(_: Buffer, flags: number): Buffer {
    if (flags !== (pkcs11.CKF_SERIAL_SESSION | pkcs11.CKF_RW_SESSION)) throw new Error('CKR_TOKEN_WRITE_PROTECTED:226');
    if (this.refuseSessions) throw new Error('CKR_DEVICE_REMOVED:50');
    const handle = this.#next++;
    this.open.add(handle);
    return handleOf(handle);
  }
  C_CloseSession(session: Buffer): void {
    this.log.push(`close ${session.readUInt32LE(0)}`);
    this.open.delete(session.readUInt32LE(0));
  }
  C_FindObjectsInit(): void {}
  C_FindObjectsFinal(): void {}
  #found = false;
  C_FindObjects(): Buffer | null {
    this.#found = !this.#found;
    return this.#found ? handleOf(1) : null;
  }
  C_SignInit(session: Buffer): void {
    if (!this.open.has(session.readUInt32LE(0))) throw new Error('CKR_SESSION_HANDLE_INVALID:179');
    this.#fault = this.faults.shift() ?? 'good';
    if (this.#fault === 'init-error') throw new Error('CKR_OPERATION_ACTIVE:144');
  }
  C_Sign(_: Buffer, input: Buffer, output: Buffer, done: (error: Error | null, signature: Buffer) => void): void {
    const fault = this.#fault;
    const finish = (): void => {
      if (fault === 'error') {
        done(new Error('CKR_DEVICE_ERROR:48'), output);
        return;
      }
      const digest = fault === 'other-digest' ? randomBytes(32) : input;
      const { signature } = secp256k1.ecdsaSign(digest, this.secret);
      output.set(fault === 'high-s' ? negated(signature) : signature);
      done(null, output.subarray(0, 64));
    };
    if (fault === 'hold') this.held.push(finish);
    else setImmediate(finish);
  }
}

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

function handleOf(value: number): Buffer {
  const handle = Buffer.alloc(8);
  handle.writeUInt32LE(value);
  return handle;
}

/** The other valid signature of the same r: what an HSM returns half of the time. */
function negated(signature: Uint8Array): Buffer {
  const s = BigInt(`0x${Buffer.from(signature.subarray(32)).toString('hex')}`);
  const high = (ORDER - s).toString(16).padStart(64, '0');
  return Buffer.concat([signature.subarray(0, 32), Buffer.from(high, 'hex')]);
}

let library: FakeLibrary;
let broken: HsmError[];
let pool: SigningPool;

beforeEach(() => {
  library = new FakeLibrary();
  broken = [];
  pool = newPool(2);
});

function newPool(sessions: number): SigningPool {
  const key = { id: 'aa', publicKey: `0x${library.publicKey.toString('hex')}` } as HsmKey;
  const module = new Module(library as unknown as pkcs11.PKCS11);
  const slot = new Slot(handleOf(0), module, module.lib);
  return new SigningPool(slot, [key], sessions, (error) => broken.push(error));
}

function sign(digest: Uint8Array = randomBytes(32), deadline = performance.now() + 5_000): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    pool.submit({
      keyIndex: 0,
      digest,
      deadline,
      done: (error, signature) => (error ? reject(error) : resolve(Buffer.from(signature!))),
    });
  });
}

describe('a signature', () => {
  it('that is high-s comes out low-s', async () => {
    library.faults = ['high-s'];
    const digest = randomBytes(32);
    const signature = await sign(digest);
    expect(BigInt(`0x${signature.toString('hex', 32)}`)).toBeLessThanOrEqual(ORDER / 2n);
    expect(secp256k1.ecdsaVerify(signature, digest, library.publicKey)).toBe(true);
  });

  it('over another digest never leaves: it is made again, and given up when it is wrong again', async () => {
    library.faults = ['other-digest'];
    const digest = randomBytes(32);
    expect(secp256k1.ecdsaVerify(await sign(digest), digest, library.publicKey)).toBe(true);
    library.faults = ['other-digest', 'other-digest'];
    await expect(sign(digest)).rejects.toMatchObject({ code: 'SIGNATURE_WRONG' });
  });

  it.each([0, 31, 33, 64])('of %i bytes is not asked for', async (length) => {
    await expect(sign(randomBytes(length))).rejects.toMatchObject({ code: 'BAD_REQUEST' });
  });

  it('by another key is not taken for ours', () => {
    const digest = randomBytes(32);
    const { signature } = secp256k1.ecdsaSign(digest, randomBytes(32));
    expect(() => finishSignature(Buffer.from(signature), digest, library.publicKey)).toThrow(/does not belong/);
    expect(() => finishSignature(Buffer.alloc(64, 0xff), digest, library.publicKey)).toThrow(/outside the curve/);
    expect(() => finishSignature(Buffer.alloc(63), digest, library.publicKey)).toThrow(/63 bytes/);
  });
});

describe('sessions', () => {
  it.each(['error', 'init-error'] as const)('with an %s are closed and replaced', async (fault) => {
    library.faults = [fault];
    await sign();
    expect(library.log).toHaveLength(1);
    expect(library.open.size).toBe(2);
    await Promise.all(Array.from({ length: 20 }, () => sign()));
  });

  it('one that hangs holds nobody else up, and is not closed under its signature', async () => {
    library.faults = ['hold'];
    const hung = sign();
    await Promise.all(Array.from({ length: 50 }, () => sign()));
    expect(library.log).toEqual([]);
    library.release();
    await hung;
  });

  it('nobody waits for any more: a job past its deadline is not started', async () => {
    library.faults = ['hold', 'hold'];
    const hung = [sign(), sign()];
    const late = sign(randomBytes(32), performance.now() + 10);
    await new Promise((resolve) => setTimeout(resolve, 20));
    library.release();
    await expect(late).rejects.toMatchObject({ code: 'HSM_TIMEOUT' });
    await Promise.all(hung);
  });

  it('failing again and again report that the process should be replaced', async () => {
    library.faults = Array.from({ length: 8 }, () => 'error' as const);
    await Promise.allSettled([sign(), sign()]);
    expect(broken.length).toBeGreaterThan(0);
  });

  it('that cannot be opened again report it at once', async () => {
    library.faults = ['error'];
    const failing = sign();
    library.refuseSessions = true;
    await expect(failing).rejects.toMatchObject({ code: 'HSM_FAILURE' });
    expect(broken[0]).toMatchObject({ code: 'SESSION_LOST' });
  });

  it('are drained before anything is closed', async () => {
    library.faults = ['hold', 'hold'];
    const jobs = [sign(), sign()];
    const waiting = sign();
    let drained = false;
    const draining = pool.drain().then(() => {
      drained = true;
    });
    await expect(waiting).rejects.toMatchObject({ code: 'HSM_UNAVAILABLE' });
    await expect(sign()).rejects.toMatchObject({ code: 'HSM_UNAVAILABLE' });
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(drained).toBe(false);
    library.release();
    await Promise.all([...jobs, draining]);
    expect(library.log).toEqual([]);
  });
});
