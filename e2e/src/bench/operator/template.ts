import { QUORUMNODES } from '../../../../operator/src/api/resources.ts';
import type { KubeClient } from '../../../../operator/src/kube/client.ts';
import {
  CONFIGMAPS,
  NETWORKPOLICIES,
  PODDISRUPTIONBUDGETS,
  SECRETS,
  SERVICES,
  STATEFULSETS,
} from '../../../../operator/src/kube/resources.ts';
import type { KubeObject, ResourceType } from '../../../../operator/src/kube/types.ts';
import { FIELD_MANAGER, labels } from '../../../../operator/src/names.ts';
import type { NodeName } from './world.ts';

export const CHILD_TYPES: readonly ResourceType[] = [
  SERVICES,
  SECRETS,
  CONFIGMAPS,
  NETWORKPOLICIES,
  PODDISRUPTIONBUDGETS,
  STATEFULSETS,
];

/** What the baseline makes for each node; strings in it hold `__NAME__`, `__NAMESPACE__` and `__UID__`. */
export interface Template {
  readonly children: readonly unknown[];
  readonly status: unknown;
}

/** The children of one node as our operator applied them, without what others added, and its status. */
export async function templateOf(client: KubeClient, { namespace, name }: NodeName): Promise<Template> {
  const labelSelector = `${labels.instance}=${name},${labels.component}=node`;
  const lists = await Promise.all(
    CHILD_TYPES.map(async (type) => {
      const { items } = await client.list(type, { namespace, labelSelector });
      return items.map((object) => applied({ ...object, ...typeMeta(type) }));
    }),
  );
  const node = await client.get<KubeObject>(QUORUMNODES, { namespace, name });
  const { observedGeneration: _, ...status } = node!.status;
  const text = JSON.stringify({ children: lists.flat(), status })
    .replaceAll(node!.metadata.uid!, '__UID__')
    .replaceAll(namespace, '__NAMESPACE__')
    .replaceAll(name, '__NAME__');
  return JSON.parse(text) as Template;
}

function typeMeta({ group, version, kind }: ResourceType): { apiVersion: string; kind: string } {
  return { apiVersion: group === '' ? version : `${group}/${version}`, kind };
}

type Fields = { readonly [key: string]: Fields };

/** Only the fields that our field manager set. */
function applied(object: KubeObject): unknown {
  const managed = (object.metadata as { managedFields?: { manager: string; fieldsV1: Fields }[] }).managedFields ?? [];
  const ours = managed.find(({ manager }) => manager === FIELD_MANAGER);
  if (ours === undefined) throw new Error(`${object.kind} ${object.metadata.name} has no fields of ${FIELD_MANAGER}`);
  const { apiVersion, kind, metadata } = object;
  const own = pick(object, ours.fieldsV1) as { metadata?: object };
  return {
    ...own,
    apiVersion,
    kind,
    metadata: { ...own.metadata, name: metadata.name, namespace: metadata.namespace },
  };
}

/** Keeps what a `fieldsV1` names: `f:` a field, `k:` an element of a list by its key, `v:` an element by its value. */
function pick(value: unknown, fields: Fields): unknown {
  const keys = Object.keys(fields).filter((key) => key !== '.');
  if (keys.length === 0) return value;
  if (Array.isArray(value)) {
    return keys.flatMap((key) => {
      const wanted = JSON.parse(key.slice(2));
      if (key.startsWith('v:')) return [wanted];
      const found = value.find((element) => Object.entries(wanted).every(([name, part]) => element[name] === part));
      return found === undefined ? [] : [pick(found, fields[key]!)];
    });
  }
  const object = value as Record<string, unknown>;
  return Object.fromEntries(keys.map((key) => [key.slice(2), pick(object[key.slice(2)], fields[key]!)]));
}
