import { describe, expect, it } from 'vitest';
import type { AuditEntry } from '../../cluster/audit.ts';
import { Progress } from './progress.ts';

const entry = (second: number, verb: string, resource: string, name: string, code: number): AuditEntry => ({
  time: new Date(second * 1000).toISOString(),
  verb,
  resource,
  name,
  code,
  namespace: 'bench0-alpha',
  user: 'someone',
  userAgent: '',
  group: '',
});

describe('progress', () => {
  it('counts a node as up with the first status after its last child', () => {
    const progress = new Progress(1, 2);
    expect(progress.add([entry(1, 'create', 'quorumnodes', 'node-0001', 201)])).toBe(false);
    const before = [
      entry(2, 'patch', 'services', 'node-0001', 201),
      entry(3, 'patch', 'quorumnodes/status', 'node-0001', 200),
      entry(4, 'patch', 'services', 'node-0001', 200),
      entry(5, 'patch', 'statefulsets', 'node-0001', 409),
    ];
    expect(progress.add(before)).toBe(false);
    expect(progress.add([entry(6, 'patch', 'statefulsets', 'node-0001', 201)])).toBe(false);
    expect(progress.add([entry(8, 'patch', 'quorumnodes/status', 'node-0001', 200)])).toBe(true);
    progress.add([entry(9, 'create', 'events', 'node-0001.1', 201)]);
    expect(progress.upSeconds).toBe(7);
    expect(progress.settledSeconds).toBe(8);
    expect(progress.writes).toBe(6);
  });
});
