import { appendFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { pathToFileURL } from 'node:url';

/** The descriptor under which the program below inherits its listening socket. */
export const LISTENER_FD = 3;

/** Joins two sockets until either ends; an error of one is the end of both. */
export function join(one: Socket, other: Socket): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.setNoDelay(true);
    from.on('error', () => to.destroy());
    from.on('close', () => to.destroy());
    from.pipe(to);
  }
}

/**
 * Makes the API server reachable on 127.0.0.1 of the machine. A socket stays in the network namespace where it was
 * made: this program is started inside the cluster with a socket that listens outside, so what it accepts comes from
 * the machine and what it dials is the cluster's. Arguments: host and port to dial.
 */
function main([host, port]: string[]): void {
  const server = createServer({ allowHalfOpen: true }, (outside) => {
    join(outside, connect({ host, port: Number(port), allowHalfOpen: true }));
  });
  server.on('error', (error) => {
    appendFileSync(2, `${error.message}\n`);
    process.exit(1);
  });
  server.listen({ fd: LISTENER_FD });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main(process.argv.slice(2));
