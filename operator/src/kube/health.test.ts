import { Gauge, Registry } from 'prom-client';
import { expect, it, onTestFinished } from 'vitest';
import { serveHealth } from './health.ts';

it('serves health, readiness with the reasons against it, and metrics', async () => {
  const registry = new Registry();
  new Gauge({ name: 'answer', help: 'h', registers: [registry] }).set(42);
  let problem: string | undefined = 'caches not filled: secrets';
  const server = await serveHealth({
    healthPort: 0,
    metricsPort: 0,
    host: '127.0.0.1',
    alive: [{ name: 'lease', check: () => undefined }],
    ready: [
      { name: 'caches', check: () => problem },
      {
        name: 'broken',
        check: () => {
          if (problem !== undefined) {
            throw new Error('check failed');
          }
          return undefined;
        },
      },
    ],
    registry,
  });
  onTestFinished(() => server.close());
  const get = async (port: number, path: string) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    return [response.status, await response.text()];
  };
  expect(await get(server.healthPort, '/healthz')).toEqual([200, '[+]lease ok\nok\n']);
  expect(await get(server.healthPort, '/readyz')).toEqual([
    503,
    '[-]caches: caches not filled: secrets\n[-]broken: check failed\nfailed\n',
  ]);
  problem = undefined;
  expect((await get(server.healthPort, '/readyz'))[0]).toBe(200);
  expect((await get(server.metricsPort, '/metrics'))[1]).toContain('answer 42');
  expect((await get(server.healthPort, '/metrics'))[0]).toBe(404);
});

it('says which port it cannot have', async () => {
  const options = { metricsPort: 0, host: '127.0.0.1', registry: new Registry() };
  const first = await serveHealth({ ...options, healthPort: 0 });
  onTestFinished(() => first.close());
  await expect(serveHealth({ ...options, healthPort: first.healthPort })).rejects.toThrow(
    `port ${first.healthPort} for health or metrics: EADDRINUSE`,
  );
});
