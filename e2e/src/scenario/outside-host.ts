/**
 * A host outside the cluster: runs in a network namespace of its own, takes connections on the ports of its arguments, and
 * connects where its standard input says, a JSON line `{"id", "from", "host", "port", "timeoutMs"}` each; it prints
 * `{"id", "connected", "error"?}`. Before that, one line when it is there.
 */
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';

interface Wish {
  id: number;
  from: string;
  host: string;
  port: number;
  timeoutMs: number;
}

const print = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);

function reach({ id, from, host, port, timeoutMs }: Wish): void {
  const socket = connect({ host, port, localAddress: from });
  const end = (answer: object) => {
    clearTimeout(timer);
    socket.removeAllListeners('error').on('error', () => undefined);
    socket.destroy();
    print({ id, ...answer });
  };
  const timer = setTimeout(() => end({ connected: false, error: 'timeout' }), timeoutMs);
  socket.once('connect', () => end({ connected: true }));
  socket.once('error', ({ code }: NodeJS.ErrnoException) => end({ connected: false, error: code }));
}

const listening = process.argv.slice(2).map(
  (port) =>
    new Promise<void>((resolve) => {
      createServer((socket) => socket.on('error', () => undefined).end('outside\n')).listen(Number(port), resolve);
    }),
);
await Promise.all(listening);
print({ listening: true });
createInterface({ input: process.stdin })
  .on('line', (line) => reach(JSON.parse(line) as Wish))
  .on('close', () => process.exit(0));
