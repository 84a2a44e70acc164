import { controllerReference, type KubeObject } from '../kube/types.ts';

interface ManifestOptions {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace: string;
  readonly labels: Record<string, string>;
  readonly annotations?: Record<string, string> | undefined;
  /** Absent for what must outlive its custom resource: keys. */
  readonly owner?: KubeObject | undefined;
}

/** Head of a manifest; the caller adds spec or data. */
export function manifest(options: ManifestOptions, body: Record<string, unknown>): KubeObject {
  return {
    apiVersion: options.apiVersion,
    kind: options.kind,
    metadata: {
      name: options.name,
      namespace: options.namespace,
      labels: options.labels,
      ...(options.annotations ? { annotations: options.annotations } : {}),
      ...(options.owner ? { ownerReferences: [controllerReference(options.owner)] } : {}),
    },
    ...body,
  };
}

/** Values of a Secret's `data` or a ConfigMap's `binaryData`. */
export function base64Values(texts: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(texts).map(([key, text]) => [key, Buffer.from(text, 'utf8').toString('base64')]),
  );
}
