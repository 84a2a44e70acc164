/** Certificates and authorities are replaced under a door that is in use: nobody's connection breaks, nobody has to come again. */
import { renameSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type TLSSocket } from 'node:tls';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Authority, createAuthority } from '../../../operator/src/pki/x509.ts';
import { makeIssuer, nodeUri, post, rpc, TestChain, TestPki, testConfig, until } from './door-fixture.ts';
import { type RunningDoor, startDoor } from './run.ts';

let pki: TestPki;
let chain: TestChain;
let door: RunningDoor;
let bearer: string;
let fresh: Authority;

beforeAll(async () => {
  [pki, chain] = await Promise.all([TestPki.create(), TestChain.start('istanbul')]);
  const issuer = await makeIssuer();
  bearer = await issuer.token('alice', 'rpc://eth_*');
  fresh = await createAuthority({ commonName: 'organization', unit: 'since now', now: new Date(), days: 2 });
  const config = testConfig(pki, { issuers: issuer.config, upstream: { http: chain.url } });
  door = await startDoor(config, pino({ level: 'silent' }), { tlsPollMs: 200 });
});

afterAll(async () => {
  await door?.stop();
  await chain?.stop();
  pki?.remove();
});

/** Puts a file in place at once, as a mounted Secret changes. */
function put(name: string, text: string): void {
  writeFileSync(pki.file(`${name}.new`), text);
  renameSync(pki.file(`${name}.new`), pki.file(name));
}

async function putLeaf(authority: Authority): Promise<void> {
  const { certificatePem, keyPem } = await pki.issue(authority, nodeUri('node'));
  put('tls.key', keyPem);
  put('tls.crt', certificatePem);
}

/** Serial number of the certificate that a new connection is shown; undefined when its authority is not trusted. */
function shown(ca: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket: TLSSocket = connect({ host: '127.0.0.1', port: door.ports.door, servername: 'localhost', ca }, () => {
      resolve(socket.getPeerCertificate().serialNumber);
      socket.destroy();
    });
    socket.on('error', () => resolve(undefined));
  });
}

/** A client that asks without pause over one connection that it keeps. */
class BusyClient {
  readonly agent: Agent;
  readonly failures: string[] = [];
  readonly sockets = new Set<unknown>();
  answers = 0;
  readonly #done: Promise<void>;
  #stopped = false;

  constructor() {
    this.agent = new Agent({ keepAlive: true, maxSockets: 1 });
    this.#done = this.#run();
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      try {
        const reply = await post(door.ports.door, pki, rpc('eth_blockNumber'), { token: bearer, agent: this.agent });
        if (reply.status !== 200 || reply.body.result === undefined) this.failures.push(reply.text);
        for (const sockets of Object.values(this.agent.freeSockets))
          for (const socket of sockets ?? []) this.sockets.add(socket);
        this.answers += 1;
      } catch (error) {
        this.failures.push(String(error));
      }
      await sleep(5);
    }
  }

  /** Waits for some more answers, so that what follows happens amid requests. */
  async more(count = 10): Promise<void> {
    const goal = this.answers + count;
    await until(() => this.answers >= goal);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
    this.agent.destroy();
  }
}

describe('while a client asks over a connection that it keeps', () => {
  test('the certificate is replaced three times; no request fails, the connection stays, new ones see the new one', async () => {
    const client = new BusyClient();
    await client.more();
    for (let i = 0; i < 3; i += 1) {
      const before = await shown(pki.organization.certificatePem);
      await putLeaf(pki.organization);
      await until(async () => (await shown(pki.organization.certificatePem)) !== before);
      expect(await shown(pki.organization.certificatePem)).toBeDefined();
      await client.more();
    }
    await client.stop();
    expect(client.failures).toEqual([]);
    expect(client.answers).toBeGreaterThan(40);
    expect(client.sockets.size).toBe(1);
  });

  test('the authority is replaced by overlap: no request fails at any step', async () => {
    const old = pki.organization;
    const both = `${fresh.certificatePem}${old.certificatePem}`;
    const [oldCaller, newCaller] = await Promise.all(
      [old, fresh].map((authority) => pki.issue(authority, nodeUri('node'))),
    );
    // A node calls by certificate: 403 for what it may not do there is an answer to one who is known.
    const known = async (client: typeof oldCaller, ca: string) => {
      const trusting = Object.assign(Object.create(pki), { organization: { certificatePem: ca } }) as TestPki;
      const reply = await post(door.ports.door, trusting, rpc('eth_blockNumber'), { client: client! });
      return reply.status !== 401;
    };
    const client = new BusyClient();
    await client.more();
    expect(await known(oldCaller, old.certificatePem)).toBe(true);
    expect(await known(newCaller, old.certificatePem)).toBe(false);

    put('organization-ca.crt', both);
    await until(() => known(newCaller, old.certificatePem));
    expect(await known(oldCaller, both)).toBe(true);
    await client.more();

    await putLeaf(fresh);
    await until(async () => (await shown(fresh.certificatePem)) !== undefined);
    expect(await known(oldCaller, both)).toBe(true);
    expect(await known(newCaller, both)).toBe(true);
    await client.more();

    put('organization-ca.crt', fresh.certificatePem);
    await until(async () => !(await known(oldCaller, both)));
    expect(await known(newCaller, fresh.certificatePem)).toBe(true);
    await client.more();
    await client.stop();
    expect(client.failures).toEqual([]);
    expect(client.sockets.size).toBe(1);
  });
});
