import { ISSUER_ANNOTATION, type IssuerRef, renderIssuer } from '../../cert-manager/issuer.ts';
import type { KubeObject } from '../../kube/types.ts';
import { objectNames } from '../../names.ts';
import { manifest } from '../../workload/manifest.ts';
import { organizationLabels, type Place } from './labels.ts';

/** ConfigMaps with key `ca.crt`: the organization's own authority, the bundle of all members' ones, and the operator's. */
export const caConfigMaps = [objectNames.organizationCa, objectNames.membersCa, objectNames.operatorCa] as const;

/** A ConfigMap of trusted authorities; certificates only, which are public. */
export function caConfigMap(
  place: Place,
  name: (typeof caConfigMaps)[number],
  pem: string,
  issuer?: IssuerRef,
): KubeObject {
  return manifest(
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      name,
      namespace: place.namespace,
      labels: organizationLabels(place.consortium, place.organization),
      annotations: issuer && { [ISSUER_ANNOTATION]: renderIssuer(issuer) },
    },
    { data: { 'ca.crt': pem } },
  );
}
