import { access, chmod, constants, copyFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cacheDirectory } from './cache.ts';
import { withLock } from './lock.ts';
import { findProgram, run, searchPath } from './process.ts';
import { CERT_MANAGER_MAIN, COREDNS_MAIN, NETWORK_POLICIES_SUMS } from './tool-sources.ts';

export type Log = (line: string) => void;

export const VERSIONS = {
  kubernetes: 'v1.34.4',
  helm: 'v3.22.0',
  coredns: 'v1.13.1',
  networkPolicies: 'v0.8.0',
  kind: 'v0.33.0',
  certManager: 'v1.21.2',
} as const;

const CERT_MANAGER = 'github.com/cert-manager/cert-manager';

/** Kubernetes' own libraries are released as v0.x of the same number. */
const STAGING = VERSIONS.kubernetes.replace(/^v1\./, 'v0.');

interface Recipe {
  /** Folder under `bin/` and `build/` of the cache. */
  directory: string;
  /** What to expect on two cores, for the progress line. */
  duration: string;
  /** Go package of the program, `.` for the one we write ourselves. */
  package: string;
  ldflags: string;
  /** Path of that module; one inside another module's may use what is internal there. */
  path?: string;
  /** Fills an empty build folder with a Go module that can build the package. */
  module: (build: Build) => Promise<void>;
}

interface Build {
  directory: string;
  go(args: string[]): Promise<string>;
}

const KUBERNETES_PROGRAMS = [
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kubelet',
  'kube-proxy',
  'kubectl',
] as const;

export type Program =
  | (typeof KUBERNETES_PROGRAMS)[number]
  | 'helm'
  | 'coredns'
  | 'kube-network-policies'
  | 'kind'
  | 'cert-manager';

const KUBERNETES_MINUTES: Partial<Record<Program, string>> = { 'kube-apiserver': 'about 5 minutes' };

const RECIPES = {
  ...(Object.fromEntries(KUBERNETES_PROGRAMS.map((program) => [program, kubernetes(program)])) as Record<
    (typeof KUBERNETES_PROGRAMS)[number],
    Recipe
  >),
  helm: {
    directory: `helm-${VERSIONS.helm}`,
    duration: 'about 3 minutes',
    package: 'helm.sh/helm/v3/cmd/helm',
    // Without these, `helm template` and `helm lint` judge charts as Kubernetes 1.20 would.
    ldflags: [
      `-X helm.sh/helm/v3/internal/version.version=${VERSIONS.helm}`,
      ...['chartutil', 'lint/rules'].flatMap((name) => [
        `-X helm.sh/helm/v3/pkg/${name}.k8sVersionMajor=1`,
        `-X helm.sh/helm/v3/pkg/${name}.k8sVersionMinor=${VERSIONS.kubernetes.split('.')[1]}`,
      ]),
    ].join(' '),
    module: (build) => toolModule(build, `helm.sh/helm/v3/cmd/helm@${VERSIONS.helm}`),
  },
  kind: {
    directory: `kind-${VERSIONS.kind}`,
    duration: 'about 1 minute',
    package: 'sigs.k8s.io/kind',
    ldflags: '',
    module: (build) => toolModule(build, `sigs.k8s.io/kind@${VERSIONS.kind}`),
  },
  coredns: {
    directory: `coredns-${VERSIONS.coredns}`,
    duration: 'about 2 minutes',
    package: '.',
    ldflags: '',
    module: corednsModule,
  },
  'kube-network-policies': {
    directory: `kube-network-policies-${VERSIONS.networkPolicies}`,
    duration: 'about 3 minutes',
    package: 'sigs.k8s.io/kube-network-policies/cmd',
    ldflags: '',
    module: networkPoliciesModule,
  },
  'cert-manager': {
    directory: `cert-manager-${VERSIONS.certManager}`,
    duration: 'about 6 minutes',
    package: '.',
    ldflags: '',
    path: `${CERT_MANAGER}/quorum-operator-tools`,
    module: certManagerModule,
  },
} satisfies Record<Program, Recipe>;

/** Where a program is kept once built: `<cache>/bin/<name>-<version>/<program>`. */
export function programPath(program: Program): string {
  return join(cacheDirectory(), 'bin', RECIPES[program].directory, program);
}

/**
 * Full paths of pinned programs, built from their Go modules the first time. Two processes that want the same program
 * build it once: the second waits. A program appears under its final name only when it is complete.
 */
export async function ensurePrograms<P extends Program>(programs: readonly P[], log: Log): Promise<Record<P, string>> {
  const found = {} as Record<P, string>;
  for (const program of programs) {
    const path = programPath(program);
    if (!(await isExecutable(path))) await build(program, path, log);
    found[program] = path;
  }
  return found;
}

async function build(program: Program, path: string, log: Log): Promise<void> {
  const recipe: Recipe = RECIPES[program];
  const directory = join(cacheDirectory(), 'build', recipe.directory);
  const waiting = (pid: number) => log(`waiting for process ${pid}, which builds ${recipe.directory}`);
  await withLock(`${directory}.lock`, waiting, async () => {
    if (await isExecutable(path)) return;
    const go = await findGo();
    log(
      `building ${program} ${recipe.directory.slice(recipe.directory.lastIndexOf('-') + 1)} (${recipe.duration}, once)`,
    );
    const build: Build = { directory, go: (args) => runGo(go, directory, args) };
    await prepare(build, recipe);
    await mkdir(join(path, '..'), { recursive: true });
    const partial = `${path}.partial`;
    await build.go(['build', '-trimpath', '-ldflags', `-s -w ${recipe.ldflags}`, '-o', partial, recipe.package]);
    await rename(partial, path);
  });
}

/** Makes the Go module once; the file `ready` tells a complete one from one whose making was interrupted. */
async function prepare(build: Build, recipe: Recipe): Promise<void> {
  const ready = join(build.directory, 'ready');
  if (await exists(ready)) return;
  await rm(build.directory, { recursive: true, force: true });
  await mkdir(build.directory, { recursive: true });
  await build.go(['mod', 'init', recipe.path ?? 'quorum-operator.local/tools']);
  await recipe.module(build);
  await writeFile(ready, '');
}

function kubernetes(program: Program): Recipe {
  const version = 'k8s.io/component-base/version';
  return {
    directory: `kubernetes-${VERSIONS.kubernetes}`,
    duration: KUBERNETES_MINUTES[program] ?? 'about 1 minute',
    package: `k8s.io/kubernetes/cmd/${program}`,
    ldflags: `-X ${version}.gitVersion=${VERSIONS.kubernetes} -X ${version}.gitMajor=1 -X ${version}.gitMinor=${VERSIONS.kubernetes.split('.')[1]}`,
    module: kubernetesModule,
  };
}

/** Kubernetes requires its own libraries as v0.0.0 and replaces them by folders: a user must name real versions. */
async function kubernetesModule(build: Build): Promise<void> {
  const download = await build.go(['mod', 'download', '-json', `k8s.io/kubernetes@${VERSIONS.kubernetes}`]);
  const source = (JSON.parse(download) as { Dir: string }).Dir;
  const staged = stagedModules(await readFile(join(source, 'go.mod'), 'utf8'));
  await build.go(['mod', 'edit', ...staged.map((name) => `-replace=${name}=${name}@${STAGING}`)]);
  await build.go(['mod', 'edit', `-require=k8s.io/kubernetes@${VERSIONS.kubernetes}`]);
  for (const program of KUBERNETES_PROGRAMS) {
    await build.go(['get', '-tool', `k8s.io/kubernetes/cmd/${program}@${VERSIONS.kubernetes}`]);
  }
}

/** Names of the modules that a go.mod requires as `v0.0.0`. */
export function stagedModules(goMod: string): string[] {
  const names = [...goMod.matchAll(/^\s+(k8s\.io\/[a-z0-9-]+) v0\.0\.0(\s|$)/gm)].map((match) => match[1]!);
  return [...new Set(names)].sort();
}

async function toolModule(build: Build, target: string): Promise<void> {
  await build.go(['get', '-tool', target]);
}

/** CoreDNS with the plugins a cluster needs; the full set would draw in three cloud SDKs. */
async function corednsModule(build: Build): Promise<void> {
  await writeFile(join(build.directory, 'main.go'), COREDNS_MAIN);
  const libraries = ['api', 'apimachinery', 'client-go'].map((name) => `-require=k8s.io/${name}@${STAGING}`);
  await build.go(['mod', 'edit', `-require=github.com/coredns/coredns@${VERSIONS.coredns}`, ...libraries]);
  await build.go(['mod', 'tidy']);
}

async function certManagerModule(build: Build): Promise<void> {
  await writeFile(join(build.directory, 'main.go'), CERT_MANAGER_MAIN);
  const source = await certManagerSource(build);
  await build.go(['mod', 'edit', `-require=${CERT_MANAGER}@${VERSIONS.certManager}`]);
  await copyFile(join(source, 'go.sum'), join(build.directory, 'go.sum'));
  await chmod(join(build.directory, 'go.sum'), 0o644);
  await build.go(['get', '.']);
}

/** Folder of cert-manager's module in Go's cache, downloaded when it is not there; has its CRDs in deploy/crds. */
async function certManagerSource({ go }: Pick<Build, 'go'>): Promise<string> {
  return (
    JSON.parse(await go(['mod', 'download', '-json', `${CERT_MANAGER}@${VERSIONS.certManager}`])) as { Dir: string }
  ).Dir;
}

/** The folder with cert-manager's CRDs, of the version that is built. */
export async function certManagerCrds(): Promise<string> {
  const go = await findGo();
  return join(await certManagerSource({ go: (args) => runGo(go, tmpdir(), args) }), 'deploy', 'crds');
}

async function networkPoliciesModule(build: Build): Promise<void> {
  const libraries = ['api', 'apimachinery', 'client-go', 'component-base', 'component-helpers'];
  await build.go([
    'mod',
    'edit',
    `-require=sigs.k8s.io/kube-network-policies@${VERSIONS.networkPolicies}`,
    ...libraries.map((name) => `-require=k8s.io/${name}@${STAGING}`),
  ]);
  await writeFile(join(build.directory, 'go.sum'), NETWORK_POLICIES_SUMS);
  await build.go(['get', `sigs.k8s.io/kube-network-policies/cmd@${VERSIONS.networkPolicies}`]);
}

async function runGo(go: string, directory: string, args: string[]): Promise<string> {
  const env = {
    ...process.env,
    PATH: searchPath(),
    CGO_ENABLED: '0', // the programs also run in images without a C library
    GOFLAGS: [process.env.GOFLAGS, '-buildvcs=false'].filter(Boolean).join(' '),
    GOWORK: 'off',
  };
  return (await run(go, args, { cwd: directory, env })).stdout;
}

async function findGo(): Promise<string> {
  const go = await findProgram('go');
  if (!go) throw new Error('Go is not installed: install Go 1.24 or newer from https://go.dev/dl and put it in PATH');
  const version = (await run(go, ['env', 'GOVERSION'])).stdout.trim();
  if (!isRecentGo(version)) {
    throw new Error(`Go is ${version} and Kubernetes needs 1.24: install a newer Go from https://go.dev/dl`);
  }
  return go;
}

/** Whether `go env GOVERSION` (such as `go1.26.8`) is at least 1.24. */
export function isRecentGo(version: string): boolean {
  const match = /^(?:devel )?go(\d+)\.(\d+)/.exec(version);
  return match !== null && (Number(match[1]) > 1 || Number(match[2]) >= 24);
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
