import { connect, createServer, type Server } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { join } from './forwarder.ts';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

function listen(server: Server): Promise<number> {
  servers.push(server);
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
  });
}

async function forwarderTo(port: number): Promise<number> {
  const forwarder = createServer({ allowHalfOpen: true }, (outside) => {
    join(outside, connect({ host: '127.0.0.1', port, allowHalfOpen: true }));
  });
  return listen(forwarder);
}

test('an answer that begins when the question has ended gets through whole', async () => {
  const answer = Buffer.alloc(3_000_000, 'a');
  const inner = await listen(
    createServer({ allowHalfOpen: true }, (socket) => {
      const chunks: Buffer[] = [];
      socket.on('data', (chunk) => chunks.push(chunk));
      socket.on('end', () => socket.end(Buffer.concat([...chunks, answer])));
    }),
  );
  const socket = connect({ host: '127.0.0.1', port: await forwarderTo(inner), allowHalfOpen: true });
  socket.end('question');
  const received: Buffer[] = [];
  for await (const chunk of socket) received.push(chunk as Buffer);
  const all = Buffer.concat(received);
  expect(all.subarray(0, 8).toString()).toBe('question');
  expect(all.length).toBe(8 + answer.length);
});

test('when nobody listens inside, the outside connection ends', async () => {
  const gone = createServer();
  const port = await listen(gone);
  servers.splice(servers.indexOf(gone), 1);
  await new Promise((resolve) => gone.close(resolve));
  const socket = connect({ host: '127.0.0.1', port: await forwarderTo(port) });
  await new Promise((resolve) => {
    socket.on('error', () => {});
    socket.on('close', resolve);
  });
});
