import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { findPrivateKey, readAttribute } from '../hsm/keys.ts';
import { findSlot, login, openModule } from '../hsm/module.ts';
import { softHsmConfigFile } from '../hsm/softhsm.ts';
import { unpack } from '../hsm/tar.ts';
import { readTokenConfig, type TokenConfig } from './config.ts';
import { initToken } from './init.ts';
import type { TokenSecret } from './secret.ts';
import { SOFTHSM_MODULE } from './softhsm-fixture.ts';
import type { TokenFile } from './types.ts';

const PINS = { so: 'officer-pin-canary', service: 'service-pin-canary', account: 'account-pin-canary' };
let folder: string;
let logged: string[];
const log = pino({ level: 'debug' }, { write: (line: string) => logged.push(line) });

beforeEach(() => {
  logged = [];
  folder = mkdtempSync(join(tmpdir(), 'token-init-'));
  for (const [name, pin] of Object.entries(PINS)) writeFileSync(join(folder, name), pin);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function config(): TokenConfig {
  const file = join(folder, 'token-config.json');
  writeFileSync(
    file,
    JSON.stringify({
      modulePath: SOFTHSM_MODULE,
      directory: join(folder, 'softhsm'),
      pins: {
        securityOfficerFile: join(folder, 'so'),
        serviceFile: join(folder, 'service'),
        accountFile: join(folder, 'account'),
      },
      account: {
        label: 'alpha-signer',
        keys: [
          { name: 'default', label: 'default' },
          { name: 'fees', label: 'the fees' },
        ],
      },
      service: { label: 'alpha-signer-service', keys: [{ name: 'service', label: 'service' }] },
      secret: { namespace: 'demo-alpha', name: 'alpha-signer-token' },
      apiServer: { tokenFile: '/token', caFile: '/ca' },
    }),
  );
  return readTokenConfig(file);
}

/** A Secret in memory that refuses stale writes, as the API server does. */
function memorySecret(): TokenSecret & { data: Record<string, Buffer>; patches: number } {
  let version = 1;
  return {
    data: {},
    patches: 0,
    async read() {
      const data = Object.fromEntries(Object.entries(this.data).map(([key, value]) => [key, value.toString('base64')]));
      return { metadata: { resourceVersion: String(version) }, data };
    },
    async add(data, resourceVersion) {
      if (resourceVersion !== String(version)) throw new Error('conflict');
      version++;
      this.patches++;
      Object.assign(this.data, data);
    },
  };
}

it('makes two tokens with their keys, and lists what the module says about them', async () => {
  const secret = memorySecret();
  expect(await initToken(config(), log, secret)).toBe('made');
  const record = JSON.parse(secret.data['token.json']!.toString()) as TokenFile;
  expect(record).toMatchObject({ version: 1, label: 'alpha-signer', service: { label: 'alpha-signer-service' } });
  expect(record.serial).toMatch(/^[0-9a-f]{16}$/);
  expect(record.service.serial).not.toBe(record.serial);
  expect(record.keys.map(({ name, label }) => [name, label])).toEqual([
    ['default', 'default'],
    ['fees', 'the fees'],
  ]);
  for (const key of [...record.keys, ...record.service.keys]) {
    expect(key.address).toMatch(/^0x[0-9a-fA-F]{40}$/);
    expect(key.publicKey).toMatch(/^0x04[0-9a-f]{128}$/);
    expect(key.id).toMatch(/^[0-9a-f]{32}$/);
    expect(key.attributes).toEqual({
      sensitive: true,
      extractable: false,
      alwaysSensitive: true,
      neverExtractable: true,
      local: true,
      sign: true,
      derive: false,
      modifiable: false,
    });
  }
  expect(unpack(secret.data['token.tar.gz']!).filter((entry) => entry.kind === 'directory')).toHaveLength(2);
  for (const pin of Object.values(PINS)) {
    expect(logged.join('')).not.toContain(pin);
    expect(JSON.stringify(record)).not.toContain(pin);
  }
});

it('the module refuses to give the private value away', async () => {
  const secret = memorySecret();
  await initToken(config(), log, secret);
  const record = JSON.parse(secret.data['token.json']!.toString()) as TokenFile;
  process.env.SOFTHSM2_CONF = softHsmConfigFile(join(folder, 'softhsm'));
  const module = openModule(SOFTHSM_MODULE);
  try {
    const session = login(await findSlot(module, record, 1), PINS.account);
    const key = findPrivateKey(session, record.keys[0]!.id);
    expect(() => key.getAttribute({ value: null })).toThrow(/CKR_ATTRIBUTE_SENSITIVE/);
    expect(readAttribute(key, { value: null })).toEqual({});
    expect(() => login(session.slot, PINS.service)).toThrow();
  } finally {
    module.finalize();
    module.close();
  }
});

it('leaves a Secret alone that has a token', async () => {
  const secret = memorySecret();
  await initToken(config(), log, secret);
  const before = { ...secret.data };
  rmSync(join(folder, 'softhsm'), { recursive: true });
  expect(await initToken(config(), log, secret)).toBe('already there');
  expect(secret.data).toEqual(before);
  expect(secret.patches).toBe(1);
  expect(readdirSync(folder)).not.toContain('softhsm');
});

it('loses against another Job that was quicker, rather than overwrite its token', async () => {
  const secret = memorySecret();
  const read = secret.read.bind(secret);
  secret.read = async () => {
    const seen = await read();
    await secret.add({ 'token.json': Buffer.from('{"label":"other"}') }, seen.metadata.resourceVersion);
    return seen;
  };
  await expect(initToken(config(), log, secret)).rejects.toThrow('conflict');
  expect(secret.data['token.json']!.toString()).toBe('{"label":"other"}');
});

it('names the fields of a configuration that are wrong', () => {
  const file = join(folder, 'bad.json');
  writeFileSync(file, JSON.stringify({ ...config(), directory: 'relative', account: { label: '', keys: [] } }));
  expect(() => readTokenConfig(file)).toThrow(/directory: .*account\.label: .*account\.keys: /);
});
