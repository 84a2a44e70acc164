import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';
import { cacheDirectory } from '../cluster/cache.ts';
import { VERSIONS } from '../cluster/tools.ts';
import type { Manifest } from './api-client.ts';

export const CHART = join(import.meta.dirname, '..', '..', '..', 'charts', 'quorum-operator');

/** Values without which the chart refuses to render. */
export const REQUIRED = {
  'images.operator': 'registry.example/operator:1',
  'images.sidecar': 'registry.example/sidecar:1',
};

/** Helm of the cache, else of PATH; undefined when it was not built yet. Nothing is built here. */
export function findHelm(): string | undefined {
  const folders = [
    join(cacheDirectory(), 'bin', `helm-${VERSIONS.helm}`),
    ...(process.env.PATH ?? '').split(delimiter),
  ];
  return folders.map((folder) => join(folder, 'helm')).find((file) => existsSync(file));
}

export interface HelmResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export async function helm(args: string[]): Promise<HelmResult> {
  const program = findHelm();
  if (program === undefined) throw new Error('helm is neither in the cache nor in PATH');
  try {
    return { code: 0, ...(await promisify(execFile)(program, args, { maxBuffer: 64 * 2 ** 20 })) };
  } catch (error) {
    const { code, stdout, stderr } = error as HelmResult;
    return { code, stdout, stderr };
  }
}

/** Arguments that set string values. */
export function set(values: Record<string, string>): string[] {
  return Object.entries(values).flatMap(([key, value]) => ['--set-string', `${key}=${value}`]);
}

export interface Rendering {
  readonly namespace?: string;
  readonly args?: string[];
}

/** The rendered chart as text. Throws what helm says when it refuses. */
export async function renderText({ namespace = 'quorum-system', args = [] }: Rendering = {}): Promise<string> {
  const result = await helm([
    'template',
    'quorum-operator',
    CHART,
    '--namespace',
    namespace,
    ...set(REQUIRED),
    ...args,
  ]);
  if (result.code !== 0) throw new Error(result.stderr);
  return result.stdout;
}

/** The rendered manifests, in the order of the templates. */
export async function render(options: Rendering = {}): Promise<Manifest[]> {
  return parseAllDocuments(await renderText(options))
    .map((document) => document.toJS())
    .filter((manifest) => manifest !== null);
}
