import type { KubeObject } from '../../kube/types.ts';
import { objectNames } from '../../names.ts';
import { secretData } from '../../pki/secrets.ts';
import type { Authority } from '../../pki/x509.ts';
import { manifest } from '../../workload/manifest.ts';
import { organizationLabels, type Place } from './labels.ts';

/** Secret `organization-ca`: the organization's authority. Created once, never applied over, without owner; its key never leaves the namespace. */
export function authoritySecret(place: Place, authority: Authority): KubeObject {
  return manifest(
    {
      apiVersion: 'v1',
      kind: 'Secret',
      name: objectNames.organizationCa,
      namespace: place.namespace,
      labels: organizationLabels(place.consortium, place.organization),
    },
    {
      type: 'kubernetes.io/tls',
      data: secretData({ 'tls.crt': authority.certificatePem, 'tls.key': authority.keyPem }),
    },
  );
}
