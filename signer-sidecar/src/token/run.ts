import { createLogger } from '../ops/log.ts';
import { readTokenConfig } from './config.ts';
import { initToken } from './init.ts';

/**
 * `token-init --config F`: the Job that makes an organization's tokens.
 * @throws Error that says what is wrong, without any PIN
 */
export async function runTokenInit(configFile: string): Promise<void> {
  await initToken(readTokenConfig(configFile), createLogger('info', 'token-init'));
}
