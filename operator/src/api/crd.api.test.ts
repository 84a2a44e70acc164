import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { ApiClient, type Manifest, objectPath } from '../../../e2e/src/chart/api-client.ts';
import { customResourceDefinition, kindDefinitions } from './crd.ts';
import { repository } from './generate.ts';
import { installCrds } from './testing.ts';

const examples = join(repository, 'examples');
const unique = Date.now().toString(36);
const namespace = `schemas-${unique}`;

let api: ApiClient;

beforeAll(async () => {
  api = new ApiClient(inject('kubeconfig'));
  await installCrds(api);
  await api.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
});
afterAll(() => api.close());

function documents(file: string): Manifest[] {
  return parseAllDocuments(readFileSync(file, 'utf8')).map((document) => document.toJS());
}

test.each(kindDefinitions.map((definition) => [definition.resource.kind, definition] as const))(
  'the API server takes the CRD of %s and calls its schema structural',
  async (_, definition) => {
    const crd = customResourceDefinition(definition);
    const reply = await api.request('GET', objectPath(crd));
    const conditions: { type: string; status: string }[] = JSON.parse(reply.text).status.conditions;
    expect(conditions.find((condition) => condition.type === 'Established')?.status).toBe('True');
    expect(conditions.find((condition) => condition.type === 'NonStructuralSchema')).toBeUndefined();
  },
);

test('the example is accepted as it is, and a new resource is not current yet for kstatus', async () => {
  for (const manifest of documents(join(examples, 'consortium.yaml'))) {
    if (manifest.kind === 'Namespace') {
      expect((await api.create(manifest, { query: { dryRun: 'All' } })).status).toBe(201);
      continue;
    }
    if (manifest.metadata.namespace !== undefined) manifest.metadata.namespace = namespace;
    const reply = await api.create(manifest, { query: { dryRun: 'All' } });
    expect(reply.status, reply.text).toBe(201);
    expect(JSON.parse(reply.text).status).toEqual({ observedGeneration: -1 });
  }
});

describe('examples/invalid', () => {
  const files = readdirSync(join(examples, 'invalid')).filter((file) => file.endsWith('.yaml'));

  test('there are many', () => expect(files.length).toBeGreaterThanOrEqual(25));

  test.concurrent.each(files)('%s', async (file) => {
    const path = join(examples, 'invalid', file);
    const expected = /^# expect: (.*)$/m.exec(readFileSync(path, 'utf8'))?.[1];
    expect(expected).toBeDefined();
    const steps = documents(path).map((manifest) => placed(manifest, file));
    const wrong = steps.at(-1)!;
    if (steps.length === 1) {
      const reply = await api.create(wrong, { query: { dryRun: 'All' } });
      expect(reply.status).toBeGreaterThanOrEqual(400);
      expect(JSON.parse(reply.text).message).toContain(expected);
      return;
    }
    expect((await api.apply(steps[0]!)).status).toBe(201);
    const reply = await api.apply(wrong);
    await api.request('DELETE', objectPath(wrong));
    expect(reply.status).toBe(422);
    expect(JSON.parse(reply.text).message).toContain(expected);
  });
});

/** An own place for each file, so that files do not meet on a shared server. */
function placed(manifest: Manifest, file: string): Manifest {
  const name = manifest.metadata.name === 'wrong' ? `w${unique}${hash(file)}` : manifest.metadata.name;
  const metadata = { ...manifest.metadata, name };
  if (metadata.namespace !== undefined) metadata.namespace = namespace;
  return { ...manifest, metadata };
}

function hash(text: string): string {
  let value = 7;
  for (const character of text) value = (value * 31 + character.charCodeAt(0)) >>> 0;
  return value.toString(36);
}
