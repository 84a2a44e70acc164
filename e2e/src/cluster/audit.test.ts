import { expect, test } from 'vitest';
import { parseAuditLog, writes } from './audit.ts';

const event = (verb: string, objectRef: object) =>
  JSON.stringify({
    verb,
    objectRef,
    user: { username: 'system:serviceaccount:a:b' },
    userAgent: 'node',
    stageTimestamp: '2026-01-01T00:00:00.000000Z',
    responseStatus: { code: 200 },
  });

test('entries name group, resource with subresource, and object; a half-written last line is left out', () => {
  const log = [
    event('patch', { resource: 'statefulsets', subresource: 'status', apiGroup: 'apps', namespace: 'n', name: 's' }),
    event('watch', { resource: 'namespaces' }),
    event('create', { resource: 'pods', namespace: 'n' }).slice(0, 40),
  ].join('\n');
  const entries = parseAuditLog(log);
  expect(entries).toHaveLength(2);
  expect(entries[0]).toEqual({
    time: '2026-01-01T00:00:00.000000Z',
    verb: 'patch',
    user: 'system:serviceaccount:a:b',
    userAgent: 'node',
    resource: 'statefulsets/status',
    group: 'apps',
    namespace: 'n',
    name: 's',
    code: 200,
  });
  expect(writes(entries)).toEqual([entries[0]]);
});
