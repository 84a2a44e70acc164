import { expect, test } from 'vitest';
import { cacheDirectory, clusterDirectory } from './cache.ts';
import { targetFlags } from './commands.ts';
import { packagesOf } from './system-programs.ts';
import { isRecentGo, stagedModules } from './tools.ts';

test('Go 1.24 and newer will do', () => {
  const versions = ['go1.23.9', 'go1.24', 'go1.26.8', 'go2.0', 'devel go1.25-abc', 'nonsense', ''];
  expect(versions.filter(isRecentGo)).toEqual(['go1.24', 'go1.26.8', 'go2.0', 'devel go1.25-abc']);
});

test('the staged modules of a go.mod are those required as v0.0.0, each once', () => {
  const goMod = `require (
\tk8s.io/api v0.0.0
\tk8s.io/klog/v2 v2.130.1
\tk8s.io/cri-api v0.0.0 // indirect
\tk8s.io/utils v0.0.0-20250604170112-4c0f3b243397
)
replace (
\tk8s.io/api => ./staging/src/k8s.io/api
)
\tk8s.io/api v0.0.0
`;
  expect(stagedModules(goMod)).toEqual(['k8s.io/api', 'k8s.io/cri-api']);
});

test('packages are named once', () => {
  expect(packagesOf(['nsenter', 'etcd', 'unshare', 'containerd', 'ctr'])).toEqual([
    'containerd',
    'etcd-server',
    'util-linux',
  ]);
});

test('the cache follows its own variable, then XDG, then the home folder', () => {
  expect(cacheDirectory({ QUORUM_OPERATOR_CACHE: '/q', XDG_CACHE_HOME: '/x' })).toBe('/q');
  expect(cacheDirectory({ XDG_CACHE_HOME: '/x' })).toBe('/x/quorum-operator');
  expect(cacheDirectory({})).toMatch(/\/\.cache\/quorum-operator$/);
});

test('a cluster name that could leave its folder is refused', () => {
  const environment = { QUORUM_OPERATOR_CACHE: '/q' };
  expect(clusterDirectory('demo-1', environment)).toBe('/q/clusters/demo-1');
  for (const name of ['', '..', 'a/b', 'Demo', '-a', 'a-', `a${'b'.repeat(40)}`]) {
    expect(() => clusterDirectory(name, environment)).toThrow(/use lower-case letters/);
  }
});

test('commands are bound to a file, and to a context where one is given', () => {
  expect(targetFlags({ kubeconfig: '/k' }, '--context')).toEqual(['--kubeconfig=/k']);
  expect(targetFlags({ kubeconfig: '/k', context: 'c' }, '--kube-context')).toEqual([
    '--kubeconfig=/k',
    '--kube-context=c',
  ]);
});
