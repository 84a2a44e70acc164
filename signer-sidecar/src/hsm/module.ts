import { setTimeout as delay } from 'node:timers/promises';
import pkcs11 from 'pkcs11js';
import { fromPkcs11, HsmError } from './errors.ts';

/** The loaded library. One a process: C_Initialize and C_Login belong to the process, not to a caller. */
export type Module = pkcs11.PKCS11;
export type Handle = pkcs11.Handle;

/**
 * Loads and initialises a PKCS#11 module with operating system locking. Without that flag SoftHSM runs without mutexes
 * and asynchronous signatures corrupt its heap.
 * @throws HsmError MODULE_NOT_LOADED
 */
export function openModule(path: string): Module {
  const module = new pkcs11.PKCS11();
  try {
    module.load(path);
  } catch (error) {
    throw new HsmError('MODULE_NOT_LOADED', `The PKCS#11 module ${path} cannot be loaded: ${firstLine(error)}.`, {
      cause: error,
    });
  }
  initialize(module);
  return module;
}

function initialize(module: Module): void {
  try {
    module.C_Initialize({ flags: pkcs11.CKF_OS_LOCKING_OK });
  } catch (error) {
    throw fromPkcs11(error, 'C_Initialize');
  }
}

/**
 * Finds the slot whose token has this label and this serial. A token whose file is being rewritten by a login
 * elsewhere is not seen for a moment, so it is looked for again after a fresh initialisation.
 * @throws HsmError TOKEN_NOT_FOUND, TOKEN_AMBIGUOUS
 */
export async function findSlot(
  module: Module,
  token: { label: string; serial: string },
  attempts: number,
  pauseMs = 150,
): Promise<Handle> {
  for (let attempt = 1; ; attempt++) {
    const found = tokensOf(module).filter((each) => each.label === token.label && each.serial === token.serial);
    if (found.length === 1) return found[0]!.slot;
    if (found.length > 1) {
      throw new HsmError(
        'TOKEN_AMBIGUOUS',
        `${found.length} tokens have label ${token.label} and serial ${token.serial}.`,
      );
    }
    if (attempt >= attempts) throw notFound(module, token);
    await delay(pauseMs * (0.5 + Math.random()));
    module.C_Finalize();
    initialize(module);
  }
}

export interface TokenSeen {
  readonly slot: Handle;
  readonly label: string;
  readonly serial: string;
  readonly initialized: boolean;
}

/** All tokens present, with the padding of their labels and serials removed. */
export function tokensOf(module: Module): TokenSeen[] {
  try {
    return module.C_GetSlotList(true).map((slot) => {
      const info = module.C_GetTokenInfo(slot);
      return {
        slot,
        label: clean(info.label),
        serial: clean(info.serialNumber),
        initialized: (info.flags & pkcs11.CKF_TOKEN_INITIALIZED) !== 0,
      };
    });
  } catch (error) {
    throw fromPkcs11(error, 'reading the slots');
  }
}

function notFound(module: Module, token: { label: string; serial: string }): HsmError {
  const seen = tokensOf(module)
    .filter((each) => each.initialized)
    .map((each) => `${each.label} (serial ${each.serial})`);
  return new HsmError(
    'TOKEN_NOT_FOUND',
    `No token has label ${token.label} and serial ${token.serial}; the module shows ${seen.join(', ') || 'none'}.`,
    { retryable: true },
  );
}

/**
 * Logs in once for the whole process. "Already logged in" is an error here: it would accept any PIN.
 * @returns the session that holds the login; as the last session's end logs out, it is kept and never signs
 * @throws HsmError PIN_INCORRECT, PIN_LOCKED
 */
export function login(module: Module, slot: Handle, pin: string): Handle {
  const session = openSession(module, slot);
  try {
    module.C_Login(session, pkcs11.CKU_USER, pin);
  } catch (error) {
    throw fromPkcs11(error, 'C_Login');
  }
  return session;
}

/** Opens a read-write session; some HSMs know no other kind. */
export function openSession(module: Module, slot: Handle): Handle {
  try {
    return module.C_OpenSession(slot, pkcs11.CKF_SERIAL_SESSION | pkcs11.CKF_RW_SESSION);
  } catch (error) {
    throw fromPkcs11(error, 'C_OpenSession');
  }
}

function clean(text: string): string {
  return text.replaceAll('\0', '').trim();
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!;
}
