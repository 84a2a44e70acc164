import { setTimeout as delay } from 'node:timers/promises';
import { Module, type Session, SessionFlag, type Slot, TokenFlag, UserType } from 'graphene-pk11';
import pkcs11 from 'pkcs11js';
import { fromPkcs11, HsmError } from './errors.ts';

/**
 * A module that cannot be initialised but with operating system locking: without, SoftHSM runs without mutexes and
 * asynchronous signatures corrupt its heap. For the same reason CKR_CRYPTOKI_ALREADY_INITIALIZED is an error here, where
 * the inherited method takes it for success: whoever was first may not have asked for locking.
 */
class LockingModule extends Module {
  override initialize(): void {
    this.lib.C_Initialize({ flags: pkcs11.CKF_OS_LOCKING_OK });
    this.getInfo();
  }
}

/**
 * Loads and initialises a PKCS#11 module with operating system locking. One a process: C_Initialize and C_Login belong
 * to the process, not to a caller.
 * @throws HsmError MODULE_NOT_LOADED; HSM_FAILURE also when this process has initialised the module before
 */
export function openModule(path: string): Module {
  let module: LockingModule;
  try {
    module = new LockingModule(Module.load(path).lib);
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
    module.initialize();
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
): Promise<Slot> {
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
    module.finalize();
    initialize(module);
  }
}

export interface TokenSeen {
  readonly slot: Slot;
  readonly label: string;
  readonly serial: string;
  readonly initialized: boolean;
}

/** All tokens present, with the padding of their labels and serials removed. */
export function tokensOf(module: Module): TokenSeen[] {
  try {
    return Array.from(module.getSlots(true), (slot) => {
      const { label, serialNumber, flags } = slot.getToken();
      return { slot, label, serial: serialNumber, initialized: (flags & TokenFlag.TOKEN_INITIALIZED) !== 0 };
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
export function login(slot: Slot, pin: string, user: UserType.USER | UserType.SO = UserType.USER): Session {
  const session = openSession(slot);
  try {
    session.login(pin, user);
  } catch (error) {
    throw fromPkcs11(error, 'C_Login');
  }
  return session;
}

/** Opens a read-write session; some HSMs know no other kind. */
export function openSession(slot: Slot): Session {
  try {
    return slot.open(SessionFlag.SERIAL_SESSION | SessionFlag.RW_SESSION);
  } catch (error) {
    throw fromPkcs11(error, 'C_OpenSession');
  }
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!;
}
