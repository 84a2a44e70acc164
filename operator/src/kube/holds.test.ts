import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { holds } from './holds.ts';
import { parseQuantity } from './quantity.ts';
import type { KubeObject } from './types.ts';

const object = (kind: string, body: Record<string, unknown>): KubeObject => ({
  apiVersion: 'v1',
  kind,
  metadata: { namespace: 'n', name: 'a' },
  ...body,
});

const check = (desired: Record<string, unknown>, live: Record<string, unknown>, kind = 'Thing') =>
  holds(object(kind, desired), object(kind, live));

describe('holds', () => {
  it.each<[string, Record<string, unknown>, Record<string, unknown>, string?]>([
    ["the server's defaults", { spec: { a: 1 } }, { spec: { a: 1, b: 2 }, status: {} }],
    ['null and undefined', { spec: { a: null, b: undefined } }, { spec: {} }],
    ['empty maps and lists that the server drops', { spec: { a: {}, b: [], c: { d: {} } } }, {}],
    [
      'an empty map with what the server made of it',
      { spec: { emptyDir: {} } },
      { spec: { emptyDir: { medium: 'x' } } },
    ],
    ['zeroes that the server drops', { spec: { hostNetwork: false, minReadySeconds: 0 } }, { spec: {} }],
    ['an empty string', { env: [{ name: 'A', value: '' }] }, { env: [{ name: 'A' }] }],
    ['quantities said otherwise', { requests: { cpu: '1000m', memory: 1 } }, { requests: { cpu: '1', memory: '1' } }],
    ['a quantity that stands alone', { emptyDir: { sizeLimit: '1024Ki' } }, { emptyDir: { sizeLimit: '1Mi' } }],
    ['stringData', { stringData: { a: 'x' }, data: { b: 'Yg==' } }, { data: { a: 'eA==', b: 'Yg==' } }, 'Secret'],
    ["another's container", { containers: [{ name: 'a' }] }, { containers: [{ name: 'mesh' }, { name: 'a', x: 1 }] }],
    [
      'ports told apart by protocol',
      {
        ports: [
          { port: 1, protocol: 'UDP', name: 'u' },
          { port: 1, name: 't' },
        ],
      },
      {
        ports: [
          { port: 1, protocol: 'TCP', name: 't' },
          { port: 1, protocol: 'UDP', name: 'u' },
        ],
      },
      'Service',
    ],
    [
      "another's finalizer",
      { metadata: { name: 'a', finalizers: ['x'] } },
      { metadata: { name: 'a', finalizers: ['y', 'x'] } },
    ],
    [
      "a reference to a role with the server's group",
      { roleRef: { kind: 'Role', name: 'r' } },
      { roleRef: { kind: 'Role', name: 'r', apiGroup: 'rbac.authorization.k8s.io' } },
    ],
  ])('is satisfied by %s', (_, desired, live, kind) => {
    expect(check(desired, live, kind)).toBe(true);
  });

  it.each<[string, Record<string, unknown>, Record<string, unknown>, string?]>([
    ['another value', { spec: { a: 1 } }, { spec: { a: 2 } }],
    ['a missing value', { spec: { a: 1 } }, { spec: {} }],
    ['a missing false, which elsewhere means true', { spec: { automountServiceAccountToken: false } }, { spec: {} }],
    ['a port by name in place of its number', { spec: { targetPort: 80 } }, { spec: { targetPort: '80' } }],
    ['a longer list', { args: ['a'] }, { args: ['a', 'b'] }],
    ['a shorter list', { args: ['a', 'b'] }, { args: ['a'] }],
    ['another order of a plain list', { args: ['a', 'b'] }, { args: ['b', 'a'] }],
    ['something in a list that should be empty', { egress: [] }, { egress: [{}] }],
    ['a selector with more in it', { selector: { app: 'a' } }, { selector: { app: 'a', x: 'y' } }],
    ['an all-embracing selector made narrow', { podSelector: {} }, { podSelector: { matchLabels: { a: 'b' } } }],
    ['an all-embracing selector removed', { from: [{ podSelector: {} }] }, { from: [{}] }],
    ['a port added to a policy', { ports: [{ port: 1 }] }, { ports: [{ port: 1 }, { port: 2 }] }, 'NetworkPolicy'],
    ['another quantity', { requests: { cpu: '1000m' } }, { requests: { cpu: '1001m' } }],
    ['a changed secret', { stringData: { a: 'x' } }, { data: { a: 'eQ==' } }, 'Secret'],
    ['a missing container', { containers: [{ name: 'a' }] }, { containers: [{ name: 'b' }] }],
    ['a default storage class where none was asked for', { storageClassName: '' }, {}],
    ['a removed label', { metadata: { name: 'a', labels: { x: 'y' } } }, { metadata: { name: 'a' } }],
    [
      'another owner',
      { metadata: { name: 'a', ownerReferences: [{ uid: '1' }] } },
      { metadata: { name: 'a', ownerReferences: [{ uid: '2' }] } },
    ],
    ['another kind of value', { spec: { a: { b: 1 } } }, { spec: { a: [] } }],
  ])('sees %s', (_, desired, live, kind) => {
    expect(check(desired, live, kind)).toBe(false);
  });

  /** JSON whose field names have no meaning to Kubernetes. */
  const json = fc.letrec((tie) => ({
    value: fc.oneof({ maxDepth: 4 }, fc.string(), fc.integer(), fc.boolean(), tie('map'), tie('list')),
    map: fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd'), tie('value'), { maxKeys: 4 }),
    list: fc.array(tie('value'), { maxLength: 3 }),
  }));
  const map = json.map as fc.Arbitrary<Record<string, unknown>>;

  it('every object holds itself, and still does when fields are added to its maps', () => {
    const grow = (value: unknown): unknown =>
      Array.isArray(value)
        ? value.map(grow)
        : typeof value === 'object' && value !== null
          ? { ...Object.fromEntries(Object.entries(value).map(([name, nested]) => [name, grow(nested)])), added: 1 }
          : value;
    fc.assert(
      fc.property(map, (spec) => {
        expect(check({ spec }, { spec: structuredClone(spec) })).toBe(true);
        expect(check({ spec }, { spec: grow(spec) })).toBe(true);
      }),
    );
  });

  it('sees any changed scalar, wherever it is', () => {
    const leaves = (value: unknown, path: (string | number)[] = []): (string | number)[][] =>
      typeof value === 'object' && value !== null
        ? Object.entries(value).flatMap(([name, nested]) => leaves(nested, [...path, name]))
        : [path];
    fc.assert(
      fc.property(map, fc.nat(), (spec, choice) => {
        const all = leaves(spec);
        fc.pre(all.length > 0);
        const path = all[choice % all.length]!;
        const live = structuredClone(spec) as Record<string, unknown>;
        let parent = live as Record<string | number, unknown>;
        for (const step of path.slice(0, -1)) {
          parent = parent[step] as Record<string | number, unknown>;
        }
        parent[path.at(-1)!] = 'changed by hand, in no way what it was';
        expect(check({ spec }, { spec: live })).toBe(false);
      }),
    );
  });
});

describe('parseQuantity', () => {
  it.each([
    ['1000m', '1'],
    ['1.5', '1500m'],
    ['1Ki', '1024'],
    ['0.5Ti', '512Gi'],
    ['1e3', '1k'],
    ['1E', '1000P'],
    [2, '2'],
    ['.5', '500m'],
    ['5.', '5'],
    ['-1', '-1000m'],
  ])('takes %s for %s', (a, b) => {
    expect(parseQuantity(a)).toBe(parseQuantity(b));
    expect(parseQuantity(a)).toBeDefined();
  });

  it.each(['', 'm', '1 Gi', '1gi', 'x', '1.2.3', true, null, {}])('knows that %j is none', (value) => {
    expect(parseQuantity(value)).toBeUndefined();
  });
});
