/** A door on loopback with everything around it: certificates, an issuer of tokens, a real EVM. For tests only. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { Agent, request } from 'node:https';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FetchRequest, JsonRpcProvider } from 'ethers';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { type Authority, createAuthority, issueCertificate } from '../../../operator/src/pki/x509.ts';
import { type DoorConfig, type DoorConfigInput, parseDoorConfig } from '../config.ts';

export const CHAIN_ID = 83210;
export const OPERATOR_URI = 'quorum-operator://operator/operator/operator/quorum-operator';
export const AUDIENCE = 'quorum-operator:demo:alpha';
export const ISSUER = 'https://login.alpha.example';
export const nodeUri = (role: string, organization = 'alpha') => `quorum-operator://demo/${organization}/${role}/x`;

/** The organization's and the operator's CA, and the door's certificate in files as kubelet mounts them. */
export class TestPki {
  readonly directory = mkdtempSync(join(tmpdir(), 'quorum-door-'));
  readonly organization: Authority;
  readonly operator: Authority;

  private constructor(organization: Authority, operator: Authority) {
    this.organization = organization;
    this.operator = operator;
  }

  static async create(): Promise<TestPki> {
    const now = new Date();
    const [organization, operator] = await Promise.all(
      ['organization', 'operator'].map((commonName) => createAuthority({ commonName, now, days: 2 })),
    );
    const pki = new TestPki(organization!, operator!);
    writeFileSync(pki.file('organization-ca.crt'), pki.organization.certificatePem);
    writeFileSync(pki.file('operator-ca.crt'), pki.operator.certificatePem);
    await pki.renewServer();
    return pki;
  }

  file(name: string): string {
    return join(this.directory, name);
  }

  /** Puts a new certificate of the door in place. */
  async renewServer(): Promise<void> {
    const { certificatePem, keyPem } = await this.issue(this.organization, nodeUri('node'));
    writeFileSync(this.file('tls.key'), keyPem);
    writeFileSync(this.file('tls.crt'), certificatePem);
  }

  issue(authority: Authority, uri: string) {
    return issueCertificate({
      authority,
      now: new Date(),
      days: 1,
      commonName: 'test',
      dnsNames: ['localhost'],
      ipAddresses: ['127.0.0.1'],
      uris: [uri],
      usages: ['client', 'server'],
    });
  }

  get tls(): DoorConfig['tls'] {
    return {
      certFile: this.file('tls.crt'),
      keyFile: this.file('tls.key'),
      organizationCaFile: this.file('organization-ca.crt'),
      operatorCaFile: this.file('operator-ca.crt'),
    };
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export type TokenMaker = (subject: string, scope: string, changes?: Record<string, unknown>) => Promise<string>;

/** An issuer with one ES256 key. */
export async function makeIssuer(): Promise<{ config: DoorConfigInput['issuers']; token: TokenMaker }> {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  const key = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256' } as { kty: 'EC' };
  const token: TokenMaker = (sub, scope, changes = {}) =>
    new SignJWT({ iss: ISSUER, aud: AUDIENCE, sub, scope, exp: Math.floor(Date.now() / 1000) + 600, ...changes })
      .setProtectedHeader({ alg: 'ES256', kid: 'one' })
      .sign(privateKey);
  return { config: [{ issuer: ISSUER, audience: AUDIENCE, jwks: { keys: [key] } }], token };
}

/** The program itself, not its launcher, so that a signal reaches it. */
function anvilBinary(): string {
  const machine = process.arch === 'x64' ? 'amd64' : process.arch;
  const found = createRequire(import.meta.url).resolve(`@foundry-rs/anvil-${process.platform}-${machine}/package.json`);
  return join(dirname(found), 'bin', 'anvil');
}

/** anvil: a real EVM that makes a block a second, with gas for nothing, as a consortium has it. */
export class TestChain {
  readonly url: string;
  readonly #process: ChildProcess;

  private constructor(url: string, process: ChildProcess) {
    this.url = url;
    this.#process = process;
  }

  /** @param hardfork `istanbul` is what GoQuorum with privacy has: legacy transactions only */
  static async start(hardfork: 'istanbul' | 'london', more: string[] = []): Promise<TestChain> {
    const flags = [
      '--port',
      '0',
      '--chain-id',
      `${CHAIN_ID}`,
      '--accounts',
      '0',
      '--block-time',
      '1',
      '--hardfork',
      hardfork,
    ];
    const free = ['--gas-price', '0', ...(hardfork === 'london' ? ['--block-base-fee-per-gas', '0'] : [])];
    const process = spawn(anvilBinary(), [...flags, ...free, ...more], { stdio: ['ignore', 'pipe', 'ignore'] });
    // a test that fails before its clean-up leaves no process behind
    globalThis.process.once('exit', () => process.kill('SIGKILL'));
    let output = '';
    const port = await new Promise<string>((resolve, reject) => {
      process.stdout!.on('data', (chunk: Buffer) => {
        output += chunk;
        const match = /Listening on [\d.]+:(\d+)/.exec(output);
        if (match !== null) resolve(match[1]!);
      });
      process.once('exit', () => reject(new Error(`anvil ended: ${output}`)));
    });
    process.stdout!.removeAllListeners('data').resume();
    return new TestChain(`http://127.0.0.1:${port}`, process);
  }

  async rpc(method: string, params: unknown[] = []): Promise<unknown> {
    const response = await fetch(this.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    });
    const { result, error } = (await response.json()) as { result?: unknown; error?: { message: string } };
    if (error !== undefined) throw new Error(error.message);
    return result;
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGTERM');
    await ended;
  }
}

/** A configuration with ports chosen by the system. */
export function testConfig(pki: TestPki, changes: Partial<DoorConfigInput>): DoorConfig {
  const any = { host: '127.0.0.1', port: 0 };
  const input: DoorConfigInput = {
    node: { name: 'alpha-member', namespace: 'demo-alpha', organization: 'alpha', consortium: 'demo', role: 'Member' },
    chain: { chainId: CHAIN_ID, genesisSha256: 'genesis', configHash: 'config' },
    listen: { door: any, ops: any, probes: any },
    tls: pki.tls,
    logging: { level: 'silent' },
    ...changes,
  };
  return parseDoorConfig(input, 'test');
}

/** An unmodified ethers provider that talks to the door with a token. */
export function provider(port: number, pki: TestPki, token: string): JsonRpcProvider {
  const connection = new FetchRequest(`https://localhost:${port}/`);
  connection.setHeader('authorization', `Bearer ${token}`);
  const agent = new Agent({ ca: pki.organization.certificatePem, keepAlive: true });
  connection.getUrlFunc = FetchRequest.createGetUrlFunc({ agent });
  return new JsonRpcProvider(connection, undefined, { pollingInterval: 100 });
}

export interface Reply {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: answers of every form are looked at
  body: any;
}

export interface Send {
  token?: string;
  headers?: Record<string, string>;
  method?: string;
  path?: string;
  /** Client certificate. */
  client?: { certificatePem: string; keyPem: string };
  agent?: Agent;
}

/** One HTTPS request by hand. What is not a string is sent as JSON. */
export function post(port: number, pki: TestPki, body: unknown, send: Send = {}): Promise<Reply> {
  const { token, headers, method = 'POST', path = '/', client, agent } = send;
  const text = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const options = {
    host: '127.0.0.1',
    servername: 'localhost',
    port,
    path,
    method,
    ca: pki.organization.certificatePem,
    headers: { 'content-type': 'application/json', ...authorization, ...headers },
    ...(client === undefined ? {} : { cert: client.certificatePem, key: client.keyPem }),
    ...(agent === undefined ? { agent: false as const } : { agent }),
  };
  return new Promise((resolve, reject) => {
    const outgoing = request(options, async (response) => {
      try {
        const chunks: Buffer[] = [];
        for await (const chunk of response) chunks.push(chunk as Buffer);
        const answer = Buffer.concat(chunks).toString();
        const isJson = response.headers['content-type'] === 'application/json';
        resolve({
          status: response.statusCode!,
          headers: response.headers,
          text: answer,
          body: isJson ? JSON.parse(answer) : undefined,
        });
      } catch (error) {
        reject(error);
      }
    });
    outgoing.on('error', reject);
    outgoing.end(method === 'GET' ? undefined : text);
  });
}

export const rpc = (method: string, params: unknown = [], id: unknown = 1) => ({ jsonrpc: '2.0', id, method, params });

/** Waits until `check` is true, looking often. */
export async function until(check: () => boolean | Promise<boolean>, timeoutMs = 20_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await check())) {
    if (performance.now() > deadline) throw new Error('waited too long');
    await sleep(20);
  }
}
