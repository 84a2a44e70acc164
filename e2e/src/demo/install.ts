import { join } from 'node:path';
import type { Cluster } from '../cluster/provider.ts';
import { ensureSystemPrograms } from '../cluster/system-programs.ts';
import { type BuiltImage, buildImages, type ImageTarget } from '../images/build.ts';
import { pushImages } from '../images/push.ts';
import type { Output } from './output.ts';
import { type Parts, saveOfficial } from './parts.ts';

export const REPOSITORY = join(import.meta.dirname, '..', '..', '..');
export const OPERATOR_NAMESPACE = 'quorum-system';
export const EXAMPLE = join(REPOSITORY, 'examples', 'consortium.yaml');

const chart = join(REPOSITORY, 'charts', 'quorum-operator');

export type Images = ReadonlyMap<ImageTarget, BuiltImage>;

/**
 * Builds the images that a network needs, or finds them in the cache, and gets them into the cluster: from files, or by way
 * of a registry that it pulls from.
 */
export async function loadNetworkImages(
  cluster: Cluster,
  parts: Parts,
  output: Output,
  registry?: string,
): Promise<Images> {
  const targets: ImageTarget[] = [
    'operator',
    'signer-sidecar',
    'fixture-postgres',
    'fixture-softhsm',
    'fixture-client',
  ];
  if (parts.goquorumBinary !== undefined) targets.push('fixture-goquorum');
  else if (parts.official.quorum === undefined) targets.push('fixture-quorum');
  if (parts.official.tessera === undefined) targets.push('fixture-tessera');
  // A cluster of our own means no Docker here: podman builds, on base images made by mmdebstrap.
  if (cluster.kind === 'local') await ensureSystemPrograms(['podman', 'mmdebstrap'], output.line);
  const built = await buildImages({ targets, goquorumBinary: parts.goquorumBinary, log: output.line });
  if (registry !== undefined) return byTarget(await pushImages(built, registry, output.line));
  const files = [...built.map(({ image, file }) => ({ name: image, file })), ...(await saveOfficial(parts))];
  await cluster.loadImages(files);
  output.line(`${files.length} images are in the cluster`);
  return byTarget(built);
}

function byTarget(built: readonly BuiltImage[]): Images {
  return new Map(built.map((image) => [image.name, image]));
}

export function imageOf(images: Images, target: ImageTarget): string {
  const built = images.get(target);
  if (built === undefined) throw new Error(`image ${target} was not built in this run`);
  return built.image;
}

/** Installs or upgrades the chart and waits until the operator is ready. */
export async function installOperator(cluster: Cluster, images: Images, parts: Parts): Promise<void> {
  const quorum = parts.goquorumBinary === undefined ? 'fixture-quorum' : 'fixture-goquorum';
  const settings = {
    'images.operator': imageOf(images, 'operator'),
    'images.sidecar': imageOf(images, 'signer-sidecar'),
    'images.quorum': parts.official.quorum ?? imageOf(images, quorum),
    'images.tessera': parts.official.tessera ?? imageOf(images, 'fixture-tessera'),
    'images.softhsm': imageOf(images, 'fixture-softhsm'),
    'images.postgres': imageOf(images, 'fixture-postgres'),
  };
  await applyManifests(cluster, [namespace(OPERATOR_NAMESPACE)]);
  const set = Object.entries(settings).map(([key, value]) => `${key}=${value}`);
  await cluster.helm([
    'upgrade',
    '--install',
    'quorum-operator',
    chart,
    '--namespace',
    OPERATOR_NAMESPACE,
    '--wait',
    '--timeout',
    '3m',
    ...set.flatMap((pair) => ['--set-string', pair]),
  ]);
}

/** A Namespace under Pod Security `restricted`. */
export function namespace(name: string, labels: Record<string, string> = {}): object {
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name, labels: { 'pod-security.kubernetes.io/enforce': 'restricted', ...labels } },
  };
}

/** Server-side apply of manifests made here; JSON is YAML. */
export async function applyManifests(cluster: Cluster, manifests: object[]): Promise<void> {
  const list = { apiVersion: 'v1', kind: 'List', items: manifests };
  await cluster.kubectl(['apply', '--server-side', '--force-conflicts', '--field-manager=demo', '-f', '-'], {
    input: JSON.stringify(list),
  });
}
