import { expect, test } from 'vitest';
import { createLogger } from './log.ts';

test('secrets do not reach the log, two levels down', () => {
  const lines: string[] = [];
  const log = createLogger('info', 'door', { write: (line) => lines.push(line) });
  log.info({ pin: 'CANARY', headers: { authorization: 'CANARY' }, request: { headers: { token: 'CANARY' } } }, 'x');
  expect(lines.join('')).toContain('[redacted]');
  expect(lines.join('')).not.toContain('CANARY');
});
