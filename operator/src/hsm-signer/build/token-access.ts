import type { KubeObject } from '../../kube/types.ts';
import { objectNames } from '../../names.ts';
import { manifest } from '../../workload/manifest.ts';
import { addressRange, policySpec } from '../../workload/network-policy.ts';
import { type SignerFrame, signerLabels, signerSelector } from '../frame.ts';
import type { ApiServerAddress } from '../observation.ts';

const RBAC = 'rbac.authorization.k8s.io';

function head(frame: SignerFrame, apiVersion: string, kind: string) {
  return {
    apiVersion,
    kind,
    name: objectNames.token(frame.name),
    namespace: frame.namespace,
    labels: signerLabels(frame, 'signer-token'),
    owner: frame.owner,
  };
}

/** ServiceAccount `<signer>-token`, for the Job alone; nothing mounts its token by default. */
export function tokenServiceAccount(frame: SignerFrame): KubeObject {
  return manifest(head(frame, 'v1', 'ServiceAccount'), { automountServiceAccountToken: false });
}

/** Role `<signer>-token`: read and patch the one Secret that receives the token. */
export function tokenRole(frame: SignerFrame): KubeObject {
  return manifest(head(frame, `${RBAC}/v1`, 'Role'), {
    rules: [
      {
        apiGroups: [''],
        resources: ['secrets'],
        resourceNames: [objectNames.token(frame.name)],
        verbs: ['get', 'patch'],
      },
    ],
  });
}

export function tokenRoleBinding(frame: SignerFrame): KubeObject {
  const name = objectNames.token(frame.name);
  return manifest(head(frame, `${RBAC}/v1`, 'RoleBinding'), {
    roleRef: { apiGroup: RBAC, kind: 'Role', name },
    subjects: [{ kind: 'ServiceAccount', name, namespace: frame.namespace }],
  });
}

/** NetworkPolicy `<signer>-token`: the Job reaches the API server and nothing else; nobody reaches the Job. */
export function tokenNetworkPolicy(frame: SignerFrame, apiServer: readonly ApiServerAddress[]): KubeObject {
  const egress = apiServer.map(({ address, port }) => ({
    peers: [addressRange(`${address}/${address.includes(':') ? 128 : 32}`)],
    port,
  }));
  return manifest(head(frame, 'networking.k8s.io/v1', 'NetworkPolicy'), {
    spec: policySpec(signerSelector(frame, 'signer-token'), [], egress),
  });
}
