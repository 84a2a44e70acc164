import { createLogger } from '../ops/log.ts';
import { readCompanionConfig } from './config.ts';
import { startCompanion } from './server.ts';

/** `companion --config F`: runs until SIGTERM or SIGINT. */
export async function runCompanion(configFile: string): Promise<void> {
  const log = createLogger('info', 'companion');
  const companion = await startCompanion(readCompanionConfig(configFile), log);
  await new Promise<void>((resolve) => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', resolve);
  });
  await companion.stop();
}
