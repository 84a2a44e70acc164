import { type DestinationStream, type Logger, pino } from 'pino';

/** Fields that must never be in a log, at the top and one or two levels down. */
const secret = [
  'authorization',
  'cookie',
  'idempotency-key',
  'key',
  'password',
  'pin',
  'privateKey',
  'raw',
  'secret',
  'token',
];
const paths = secret.flatMap((name) => [`["${name}"]`, `*["${name}"]`, `*.*["${name}"]`]);

/** JSON lines on standard output, with secrets taken out. */
export function createLogger(level: string, name: string, destination?: DestinationStream): Logger {
  const options = {
    level,
    base: { program: name },
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: { paths, censor: '[redacted]' },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}
