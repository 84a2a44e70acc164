import { describe, expect, test } from 'vitest';
import type { AuditEntry } from '../cluster/audit.ts';
import { covers, type Grant, grantName, grantsOf, usesOf } from './grants.ts';
import { unexplainedRefusals } from './refusals.ts';

const account = { namespace: 'system', name: 'operator' };
const subjects = [{ kind: 'ServiceAccount', ...account }];
const rules = (verbs: string[], resources: string[], resourceNames?: string[]) => [
  { apiGroups: [''], resources, verbs, ...(resourceNames ? { resourceNames } : {}) },
];
const manifests = [
  { kind: 'ClusterRole', metadata: { name: 'wide' }, rules: rules(['list'], ['namespaces']) },
  { kind: 'ClusterRole', metadata: { name: 'later' }, rules: rules(['get', 'patch'], ['secrets']) },
  { kind: 'ClusterRole', metadata: { name: 'not-ours' }, rules: rules(['*'], ['nodes']) },
  { kind: 'Role', metadata: { name: 'own', namespace: 'system' }, rules: rules(['get'], ['secrets'], ['ca']) },
  { kind: 'ClusterRoleBinding', metadata: { name: 'a' }, roleRef: { kind: 'ClusterRole', name: 'wide' }, subjects },
  {
    kind: 'RoleBinding',
    metadata: { name: 'b', namespace: 'system' },
    roleRef: { kind: 'Role', name: 'own' },
    subjects,
  },
];
const entry = (change: Partial<AuditEntry>): AuditEntry => ({
  time: '2026-01-01T00:00:00Z',
  verb: 'get',
  user: 'operator',
  userAgent: '',
  group: '',
  resource: 'secrets',
  code: 200,
  ...change,
});

describe('grants', () => {
  const grants = grantsOf(manifests, account, 'later');

  test('are those of bound roles, and of the one that is bound in organizations later', () => {
    expect(grants.map(grantName)).toEqual([
      'cluster: list namespaces',
      'system: get secrets ca',
      'organizations: get secrets',
      'organizations: patch secrets',
    ]);
  });

  test.each([
    ['in its namespace and of its name', { namespace: 'system', name: 'ca' }, ['system: get secrets ca']],
    ['of another name', { namespace: 'system', name: 'other' }, []],
    ['in an organization', { namespace: 'org', name: 'ca' }, ['organizations: get secrets']],
    ['elsewhere', { namespace: 'kube-system', name: 'ca' }, []],
  ])('cover a request %s', (_, use, expected) => {
    const covering = grants.filter((grant: Grant) => covers(grant, entry(use), new Set(['org'])));
    expect(covering.map(grantName)).toEqual(expected);
  });

  test('are used by requests that were let through; an apply that made the object used two', () => {
    const uses = usesOf([entry({ verb: 'patch', code: 201 }), entry({ verb: 'patch' }), entry({ code: 403 })]);
    expect(uses.map(({ verb }) => verb)).toEqual(['patch', 'create', 'patch']);
  });
});

describe('a refusal', () => {
  const refused = entry({ code: 403, namespace: 'org', time: '2026-01-01T00:01:00Z' });
  const bound = entry({ verb: 'patch', resource: 'rolebindings', name: 'ours', namespace: 'org' });
  const unexplained = (...others: AuditEntry[]) => unexplainedRefusals([...others, refused], 'operator', 'ours');

  test('has no excuse when rights stood', () => {
    expect(unexplained()).toEqual([refused]);
    expect(unexplained(bound)).toEqual([refused]);
    expect(unexplained({ ...bound, namespace: 'other', time: refused.time })).toEqual([refused]);
    expect(unexplained({ ...bound, code: 403, user: 'anybody', time: refused.time })).toEqual([refused]);
  });

  test('is excused while rights change', () => {
    expect(unexplained({ ...bound, time: '2026-01-01T00:00:59Z' })).toEqual([]);
    const going = entry({ verb: 'delete', resource: 'namespaces', name: 'org' });
    const gone = entry({ verb: 'update', resource: 'namespaces/finalize', name: 'org', time: '2026-01-01T00:00:20Z' });
    expect(unexplained(going)).toEqual([]);
    expect(unexplained(going, gone)).toEqual([refused]);
    expect(unexplained(going, { ...gone, time: '2026-01-01T00:00:45Z' })).toEqual([]);
  });

  test('of somebody else is not our matter', () => {
    expect(unexplainedRefusals([{ ...refused, user: 'anybody' }], 'operator', 'ours')).toEqual([]);
  });
});
