import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { HsmError } from './errors.ts';

/**
 * Reads the PIN from its file. Called in the HSM process only.
 * @throws HsmError PIN_UNREADABLE
 */
export function readPin(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8').trim();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new HsmError(
      'PIN_UNREADABLE',
      `The PIN file ${file} cannot be read (${code}); mount the Secret that holds it.`,
      {
        retryable: true,
      },
    );
  }
  if (text === '') {
    throw new HsmError('PIN_UNREADABLE', `The PIN file ${file} is empty.`, { retryable: true });
  }
  return text;
}

/**
 * A name for a PIN that was refused, so that the next HSM process does not spend another of the few attempts that a
 * token allows on it. The salt is random for each sidecar process and is never written anywhere.
 */
export function pinFingerprint(salt: string, pin: string): string {
  return createHmac('sha256', salt).update(pin).digest('hex');
}
