import type { KubeObject, ResourceType } from '../kube/types.ts';
import { GROUP } from '../names.ts';

export const CERTIFICATES: ResourceType = Object.freeze({
  group: 'cert-manager.io',
  version: 'v1',
  plural: 'certificates',
  kind: 'Certificate',
  namespaced: true,
});

/** A cert-manager issuer; an Issuer is looked for in the namespace of each certificate. */
export interface IssuerRef {
  readonly name: string;
  readonly kind: string;
  readonly group: string;
}

/** On ConfigMap `organization-ca`: the issuer of this namespace's certificates, as JSON. Absent: the organization's own authority. */
export const ISSUER_ANNOTATION = `${GROUP}/issuer`;

/** The issuer that a namespace's ConfigMap `organization-ca` names. */
export function issuerOf(configMap: KubeObject): IssuerRef | undefined {
  const text = configMap.metadata.annotations?.[ISSUER_ANNOTATION];
  if (text === undefined) return undefined;
  const { name, kind, group } = JSON.parse(text) as IssuerRef;
  return { name, kind, group };
}

/** Value of the annotation. */
export function renderIssuer({ name, kind, group }: IssuerRef): string {
  return JSON.stringify({ name, kind, group });
}
