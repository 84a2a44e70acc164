import { stringify } from 'yaml';
import type { KubeObject } from '../kube/types.ts';

/** For golden files: manifests as one YAML text, the data of Secrets as text, JSON in them laid out to be read. */
export function goldenText(manifests: readonly KubeObject[]): string {
  return manifests
    .map((manifest) => stringify(readable(manifest), { lineWidth: 0, aliasDuplicateObjects: false }))
    .join('---\n');
}

function readable(manifest: KubeObject): KubeObject {
  const decode = manifest.kind === 'Secret';
  if (!decode && manifest.kind !== 'ConfigMap') return manifest;
  const { data, ...rest } = manifest;
  const texts = Object.entries((data ?? {}) as Record<string, string>).map(([key, value]) => {
    const text = decode ? Buffer.from(value, 'base64').toString('utf8') : value;
    return [key, key.endsWith('.json') ? (JSON.parse(text) as unknown) : text];
  });
  return { ...rest, [decode ? 'decoded' : 'data']: Object.fromEntries(texts) } as KubeObject;
}
