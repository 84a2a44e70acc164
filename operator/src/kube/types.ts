/** A resource of the Kubernetes API, all that is needed to form its URLs. `group` is '' for the core group. */
export interface ResourceType {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
}

export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

export interface ObjectMeta {
  name: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: OwnerReference[];
  finalizers?: string[];
  /** RFC 3339, as the API server wrote it. */
  creationTimestamp?: string;
  deletionTimestamp?: string;
  managedFields?: unknown[];
}

/** An object as the API server sent it: parsed JSON and nothing else, so that fields of newer API servers survive. */
export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  // biome-ignore lint/suspicious/noExplicitAny: raw JSON, each reader narrows what it reads
  [field: string]: any;
}

/** A list as the API server sent it, with apiVersion and kind filled into each item. */
export interface KubeList<T extends KubeObject = KubeObject> {
  metadata: { resourceVersion: string; continue?: string; remainingItemCount?: number };
  items: T[];
}

/** Identifies an object of a known type; cluster-scoped objects have no namespace. */
export interface Key {
  namespace?: string;
  name: string;
}

/** A condition as metav1.Condition has it. */
export interface Condition {
  type: string;
  status: 'True' | 'False' | 'Unknown';
  reason: string;
  message: string;
  observedGeneration: number;
  /** RFC 3339, whole seconds. */
  lastTransitionTime: string;
}

export function keyOf(object: { metadata: { namespace?: string; name: string } }): Key {
  const { namespace, name } = object.metadata;
  return namespace === undefined ? { name } : { namespace, name };
}

/** `namespace/name`, or `name` for cluster-scoped objects. Names contain no slash, so the form is unique. */
export function keyString(key: Key): string {
  return key.namespace === undefined ? key.name : `${key.namespace}/${key.name}`;
}

export function parseKey(text: string): Key {
  const slash = text.indexOf('/');
  return slash < 0 ? { name: text } : { namespace: text.slice(0, slash), name: text.slice(slash + 1) };
}

/** `group/version` as objects carry it (`v1` for the core group). */
export function apiVersionOf(type: ResourceType): string {
  return type.group === '' ? type.version : `${type.group}/${type.version}`;
}

/** The form people write: `secrets`, `statefulsets.apps`. */
export function typeName(type: ResourceType): string {
  return type.group === '' ? type.plural : `${type.plural}.${type.group}`;
}

/** Reference by which `owner` is the controlling owner of a child (garbage-collected with it). */
export function controllerReference(owner: KubeObject): OwnerReference {
  if (owner.metadata.uid === undefined) {
    throw new Error(
      `${owner.kind} ${owner.metadata.name} has no uid: only an object read from the API server can own.`,
    );
  }
  return {
    apiVersion: owner.apiVersion,
    kind: owner.kind,
    name: owner.metadata.name,
    uid: owner.metadata.uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}
