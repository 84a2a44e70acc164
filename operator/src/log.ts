import { type Logger, pino } from 'pino';

/** Fields that are never printed, wherever they stand: a log line outlives every secret. */
const SECRET_FIELDS = [
  'data',
  'stringData',
  'key',
  'privateKey',
  'nodekey',
  'pin',
  'password',
  'token',
  'authorization',
];

/** JSON lines on stdout, with secrets cut out up to two levels deep. */
export function createLogger(level: string): Logger {
  const paths = SECRET_FIELDS.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]);
  return pino({ level, base: { program: 'quorum-operator' }, redact: { paths, censor: '[redacted]' } });
}
