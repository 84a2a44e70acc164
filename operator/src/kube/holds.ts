import { parseQuantity } from './quantity.ts';
import type { KubeObject } from './types.ts';

/**
 * Tells whether a live object holds everything that is desired of it, so that no write is needed. The API server's
 * defaults and other managers' fields in the live object are no difference; a field of ours that is gone or changed is.
 */
export function holds(desired: KubeObject, live: KubeObject): boolean {
  if (desired.kind !== live.kind || desired.apiVersion !== live.apiVersion) {
    return false;
  }
  const rules: Rules = { kind: desired.kind };
  const { metadata, status: _, ...rest } = desired.kind === 'Secret' ? withEncodedStrings(desired) : desired;
  const { labels, annotations, ownerReferences, finalizers } = metadata;
  return (
    within({ labels, annotations, ownerReferences, finalizers }, live.metadata, 'metadata', rules) &&
    within(rest, live, '', rules)
  );
}

interface Rules {
  kind: string;
}

/** Fields that Kubernetes treats as one value: what is not desired must not be there. */
const ATOMIC_MAPS = new Set([
  'podSelector',
  'namespaceSelector',
  'selector',
  'labelSelector',
  'matchLabels',
  'nodeSelector',
  'roleRef',
]);

/** Lists of which others may own items, and what identifies an item. All other lists are one value. */
const LIST_KEYS: Record<string, readonly string[]> = {
  containers: ['name'],
  initContainers: ['name'],
  ephemeralContainers: ['name'],
  env: ['name'],
  volumes: ['name'],
  volumeMounts: ['mountPath'],
  volumeDevices: ['devicePath'],
  imagePullSecrets: ['name'],
  hostAliases: ['ip'],
  ownerReferences: ['uid'],
  topologySpreadConstraints: ['topologyKey', 'whenUnsatisfiable'],
  resourceClaims: ['name'],
};

/** Maps (or single values) whose values are quantities: "1000m" is "1", 1 is "1". */
const QUANTITIES = new Set([
  'requests',
  'limits',
  'hard',
  'capacity',
  'default',
  'defaultRequest',
  'max',
  'min',
  'maxLimitRequestRatio',
  'sizeLimit',
  'divisor',
]);

/** Plain false or 0 of these is not kept by the API server. Other fields tell false from absent. */
const DROPPED_WHEN_ZERO = new Set([
  'hostNetwork',
  'hostPID',
  'hostIPC',
  'stdin',
  'stdinOnce',
  'tty',
  'publishNotReadyAddresses',
  'readOnly',
  'paused',
  'minReadySeconds',
  'allowPrivilegedPorts',
]);

/** An empty string of these is something else than none. */
const KEPT_WHEN_EMPTY = new Set(['storageClassName']);

function within(desired: unknown, live: unknown, field: string, rules: Rules): boolean {
  if (live === undefined || live === null) {
    return meansNothing(desired, field);
  }
  if (desired === undefined || desired === null) {
    return true;
  }
  if (Array.isArray(desired)) {
    return Array.isArray(live) && listWithin(desired, live, field, rules);
  }
  if (typeof desired === 'object') {
    return isMap(live) && mapWithin(desired as Record<string, unknown>, live, field, rules);
  }
  return desired === live || (QUANTITIES.has(field) && sameQuantity(desired, live));
}

/** Values that the API server does not keep, so that their absence is what was desired. */
function meansNothing(desired: unknown, field: string): boolean {
  if (desired === undefined || desired === null) {
    return true;
  }
  if (desired === '') {
    return !KEPT_WHEN_EMPTY.has(field);
  }
  if (desired === false || desired === 0) {
    return DROPPED_WHEN_ZERO.has(field);
  }
  if (Array.isArray(desired)) {
    return desired.length === 0;
  }
  return (
    isMap(desired) &&
    !ATOMIC_MAPS.has(field) &&
    Object.entries(desired).every(([name, value]) => meansNothing(value, name))
  );
}

function mapWithin(
  desired: Record<string, unknown>,
  live: Record<string, unknown>,
  field: string,
  rules: Rules,
): boolean {
  // Of a map of quantities each value is one, whatever its name.
  const nameFor = (name: string) => (QUANTITIES.has(field) ? field : name);
  if (ATOMIC_MAPS.has(field) && Object.keys(live).some((name) => desired[name] === undefined)) {
    return isDefaulted(field, desired, live);
  }
  return Object.entries(desired).every(([name, value]) => within(value, live[name], nameFor(name), rules));
}

/** The one atomic map to which the API server adds something: roleRef's apiGroup. */
function isDefaulted(field: string, desired: Record<string, unknown>, live: Record<string, unknown>): boolean {
  return field === 'roleRef' && desired.kind === live.kind && desired.name === live.name;
}

function listWithin(desired: unknown[], live: unknown[], field: string, rules: Rules): boolean {
  if (field === 'finalizers') {
    return desired.every((item) => live.includes(item));
  }
  const keys = listKeys(desired, field, rules);
  if (keys === undefined) {
    return (
      desired.length === live.length &&
      desired.every((item, index) => within(item, live[index], elementOf(field), rules))
    );
  }
  return desired.every((item) => {
    const twin = live.find((candidate) => keys.every((key) => keyValue(item, key) === keyValue(candidate, key)));
    return twin !== undefined && within(item, twin, elementOf(field), rules);
  });
}

/** LimitRange's limits is a list whose items hold quantities deeper down; the item itself is no quantity. */
function elementOf(field: string): string {
  return QUANTITIES.has(field) || ATOMIC_MAPS.has(field) ? '' : field;
}

function listKeys(desired: unknown[], field: string, rules: Rules): readonly string[] | undefined {
  if (field === 'ports') {
    if (desired.some((port) => isMap(port) && port.containerPort !== undefined)) {
      return ['containerPort', 'protocol'];
    }
    return rules.kind === 'Service' ? ['port', 'protocol'] : undefined;
  }
  return rules.kind === 'NetworkPolicy' ? undefined : LIST_KEYS[field];
}

function keyValue(item: unknown, key: string): unknown {
  const value = isMap(item) ? item[key] : undefined;
  return key === 'protocol' ? (value ?? 'TCP') : value;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function sameQuantity(desired: unknown, live: unknown): boolean {
  const a = parseQuantity(desired);
  const b = parseQuantity(live);
  return a !== undefined && b !== undefined && a === b;
}

/** stringData as the API server keeps it: base64 in data, winning over data. */
function withEncodedStrings(secret: KubeObject): KubeObject {
  const { stringData, ...rest } = secret;
  if (stringData === undefined || stringData === null) {
    return secret;
  }
  const encoded = Object.entries(stringData as Record<string, string>).map(([name, value]) => [
    name,
    Buffer.from(value, 'utf8').toString('base64'),
  ]);
  return { ...rest, data: { ...rest.data, ...Object.fromEntries(encoded) } } as KubeObject;
}
