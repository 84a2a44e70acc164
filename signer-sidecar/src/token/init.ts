import type { Logger } from 'pino';
import { readPin } from '../hsm/pin.ts';
import type { TokenConfig } from './config.ts';
import { createTokens } from './create.ts';
import { type TokenSecret, tokenSecret } from './secret.ts';

/**
 * `token-init`: makes the tokens once and puts them into their Secret. A Secret that has a token already is left as it
 * is, so that the Job may run any number of times: a token made twice would be an account lost.
 * @returns whether tokens were made
 */
export async function initToken(
  config: TokenConfig,
  log: Logger,
  secret: TokenSecret = tokenSecret(config, process.env),
): Promise<'made' | 'already there'> {
  const before = await secret.read();
  if (before.data?.['token.json'] !== undefined || before.data?.['token.tar.gz'] !== undefined) {
    log.info({ secret: config.secret }, 'the Secret holds a token already; nothing was done');
    return 'already there';
  }
  const { archive, record } = await createTokens(
    config.modulePath,
    config.directory,
    readPin(config.pins.securityOfficerFile),
    { ...config.account, pin: readPin(config.pins.accountFile) },
    { ...config.service, pin: readPin(config.pins.serviceFile) },
  );
  await secret.add(
    { 'token.tar.gz': archive, 'token.json': Buffer.from(`${JSON.stringify(record, null, 2)}\n`) },
    before.metadata.resourceVersion,
  );
  log.info({ secret: config.secret, accounts: record.keys.map((key) => key.address) }, 'tokens made');
  return 'made';
}
