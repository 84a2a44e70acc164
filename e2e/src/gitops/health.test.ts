import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { kindDefinitions } from '../../../operator/src/api/crd.ts';
import { cases } from './cases.ts';
import { ensureKstatus, type Kstatus, kstatusIsAvailable, kstatusOf } from './kstatus.ts';
import { findLua, HEALTH_SCRIPT, healthOf, luaLiteral } from './lua.ts';

const examples = join(import.meta.dirname, '..', '..', '..', 'examples', 'gitops');

describe.skipIf(findLua() === undefined)('the health script for Argo CD, with Lua 5.1', () => {
  test.each(cases.map((one) => [one.name, one] as const))('%s', async (_, { object, argo, says }) => {
    const health = await healthOf(object);
    expect(health.status).toBe(argo);
    expect(health.message).toContain(says);
  });

  test('an object without status or spec is no error', async () => {
    expect((await healthOf({ metadata: { name: 'x', generation: 1 } })).status).toBe('Progressing');
  });

  test('a message is handed on byte by byte', async () => {
    const message = 'quotes " \\ and\nlines, ünïcode ]] %s';
    const status = {
      observedGeneration: 1,
      conditions: [{ type: 'Ready', status: 'True', reason: 'Serving', message }],
    };
    expect((await healthOf({ metadata: { generation: 1 }, status })).message).toBe(`Serving: ${message}`);
  });
});

test('Lua literals hold what JSON holds', () => {
  expect(luaLiteral({ a: [1, true, null, 'x"'] })).toBe('{["a"] = {1, true, nil, "x\\034"}}');
});

test('the ConfigMap for Argo CD gives the script to each of the four kinds', () => {
  const { data } = parse(readFileSync(join(examples, 'argocd-cm.yaml'), 'utf8'));
  const script = readFileSync(HEALTH_SCRIPT, 'utf8');
  const keys = kindDefinitions.map(
    ({ resource }) => `resource.customizations.health.${resource.group}_${resource.kind}`,
  );
  expect(Object.keys(data).sort()).toEqual(keys.sort());
  for (const key of keys) expect(data[key]).toBe(script);
});

describe.skipIf(!(await kstatusIsAvailable()))('kstatus, by which Flux and Helm wait, with Go', () => {
  let verdicts: Kstatus[];
  beforeAll(async () => {
    verdicts = await kstatusOf(
      await ensureKstatus(),
      cases.map(({ object }) => object),
    );
  }, 600_000);

  test.each(cases.map((one, index) => [one.name, index, one.kstatus] as const))('%s', (_, index, expected) => {
    expect(verdicts[index]?.status, verdicts[index]?.message).toBe(expected);
  });

  test('a failure says why', () => {
    const index = cases.findIndex(({ name }) => name === 'stalled');
    expect(verdicts[index]?.message).toContain('Secret alpha-validator-nodekey is gone');
  });
});
