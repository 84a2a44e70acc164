import { rmSync } from 'node:fs';
import { Module, SessionFlag } from 'graphene-pk11';
import pkcs11 from 'pkcs11js';
import { afterEach, beforeAll, expect, it, vi } from 'vitest';
import { makeTestToken, SOFTHSM_MODULE, type TestToken } from '../token/softhsm-fixture.ts';
import { findSlot, login, openModule, openSession, tokensOf } from './module.ts';
import { softHsmConfigFile, unpackSoftHsm } from './softhsm.ts';

const PIN = '48151623';
let token: TestToken;
let module: Module | undefined;

beforeAll(async () => {
  token = await makeTestToken();
  const { archiveFile, directory } = token.options.softhsm!;
  unpackSoftHsm(archiveFile, directory);
  process.env.SOFTHSM2_CONF = softHsmConfigFile(directory);
  return () => rmSync(token.directory, { recursive: true, force: true });
});
afterEach(() => {
  vi.restoreAllMocks();
  module?.finalize();
  module?.close();
  module = undefined;
});

it('the module is initialised with locking: without, SoftHSM corrupts its memory under asynchronous signatures', async () => {
  const initialize = vi.spyOn(pkcs11.PKCS11.prototype, 'C_Initialize');
  module = openModule(SOFTHSM_MODULE);
  await expect(findSlot(module, { label: 'accounts', serial: 'none' }, 2, 1)).rejects.toThrow(/No token/);
  // As it asks for locking itself, nobody can forget to.
  module.finalize();
  module.initialize();
  expect(initialize.mock.calls).toEqual(Array(3).fill([{ flags: pkcs11.CKF_OS_LOCKING_OK }]));
});

it('a module that somebody initialised before is refused, as that may have been without locking', () => {
  const other = Module.load(SOFTHSM_MODULE);
  other.initialize();
  try {
    expect(() => openModule(SOFTHSM_MODULE)).toThrow(/CKR_CRYPTOKI_ALREADY_INITIALIZED/);
  } finally {
    other.finalize();
    other.close();
  }
  module = openModule(SOFTHSM_MODULE);
  expect(() => openModule(SOFTHSM_MODULE)).toThrow(/perhaps without locking/);
});

it('signatures are made by the very library that the set-up used', () => {
  module = openModule(SOFTHSM_MODULE);
  expect(module.lib).toBeInstanceOf(pkcs11.PKCS11);
  expect(tokensOf(module)[0]!.slot.module.lib).toBe(module.lib);
});

it('sessions are read-write; a login on top of another is an error, whatever its PIN', async () => {
  module = openModule(SOFTHSM_MODULE);
  const slot = await findSlot(module, token.record, 1);
  expect(openSession(slot).flags).toBe(SessionFlag.SERIAL_SESSION | SessionFlag.RW_SESSION);
  expect(() => login(slot, 'not the PIN')).toThrow(expect.objectContaining({ code: 'PIN_INCORRECT' }));
  login(slot, PIN);
  for (const pin of [PIN, 'not the PIN']) {
    expect(() => login(slot, pin)).toThrow(/CKR_USER_ALREADY_LOGGED_IN/);
  }
});
