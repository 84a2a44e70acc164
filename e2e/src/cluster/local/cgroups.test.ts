import { expect, test } from 'vitest';
import { parseHierarchies } from './cgroups.ts';

const line = (path: string, type: string) => `31 24 0:27 / ${path} rw,relatime shared:9 - ${type} ${type} rw`;

test('the machine has version 1, version 1 with a unified hierarchy beside it, or version 2', () => {
  const one = [line('/proc', 'proc'), line('/sys/fs/cgroup/memory', 'cgroup'), line('/sys/fs/cgroup/cpu', 'cgroup')];
  const mounts = ['/sys/fs/cgroup/cpu', '/sys/fs/cgroup/memory'];
  expect(parseHierarchies(one.join('\n'))).toEqual({ version: 1, mounts });
  const hybrid = [...one, line('/sys/fs/cgroup/unified', 'cgroup2')];
  expect(parseHierarchies(hybrid.join('\n'))).toEqual({ version: 1, mounts, hybrid: '/sys/fs/cgroup/unified' });
  expect(parseHierarchies(line('/sys/fs/cgroup', 'cgroup2'))).toEqual({ version: 2 });
});
