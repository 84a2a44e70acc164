import { generateKeyPairSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Credential, createAuthority } from '../certificates.ts';
import { kubeconfig } from '../kubeconfig.ts';
import { DOMAIN, type Layout, NETWORK } from './layout.ts';

/** Components that speak to the API server, and who they are there. */
const CLIENTS = {
  'kube-controller-manager': () => ({ commonName: 'system:kube-controller-manager' }),
  'kube-scheduler': () => ({ commonName: 'system:kube-scheduler' }),
  'kube-proxy': () => ({ commonName: 'system:kube-proxy' }),
  kubelet: (node: string) => ({ commonName: `system:node:${node}`, organizations: ['system:nodes'] }),
  'volume-provisioner': () => ({ commonName: 'volume-provisioner' }),
} as const;

export interface ClusterCredentials {
  ca: string;
  admin: Credential;
}

/**
 * Makes the cluster's authority and all certificates and kubeconfigs, anew at each start: nothing of a cluster outlives
 * it. `kubeconfig` files in the pki folder are for components inside; the administrator's for the machine is written by
 * the caller, who knows its port.
 */
export async function writeCredentials(paths: Layout): Promise<ClusterCredentials> {
  const authority = createAuthority(`quorum-operator ${paths.name}`);
  const service = 'kubernetes.default.svc';
  const server = authority.issue({
    subject: { commonName: 'kube-apiserver' },
    usage: 'server',
    dns: ['localhost', 'kubernetes', 'kubernetes.default', service, `${service}.${DOMAIN}`],
    ips: ['127.0.0.1', NETWORK.apiService, NETWORK.node],
  });
  const kubelet = authority.issue({
    subject: { commonName: paths.node },
    usage: 'server',
    dns: [paths.node],
    ips: [NETWORK.node, '127.0.0.1'],
  });
  const kubeletClient = authority.issue({
    subject: { commonName: 'kube-apiserver-kubelet-client', organizations: ['system:masters'] },
    usage: 'client',
  });
  const admin = authority.issue({
    subject: { commonName: 'admin', organizations: ['system:masters'] },
    usage: 'client',
  });
  const serviceAccounts = generateKeyPairSync('rsa', { modulusLength: 2048 }); // RS256 is what every JWT library reads
  const write = (name: string, text: string) => writeFile(join(paths.pki, name), text, { mode: 0o600 });
  const pair = (name: string, credential: Credential) =>
    Promise.all([write(`${name}.crt`, credential.certificate), write(`${name}.key`, credential.key)]);
  await Promise.all([
    pair('ca', authority),
    pair('kube-apiserver', server),
    pair('kubelet', kubelet),
    pair('kubelet-client', kubeletClient),
    write('service-accounts.key', serviceAccounts.privateKey.export({ type: 'pkcs1', format: 'pem' }) as string),
    ...Object.entries(CLIENTS).map(([component, subject]) => {
      const user = authority.issue({ subject: subject(paths.node), usage: 'client' });
      const url = `https://127.0.0.1:${NETWORK.apiPort}`;
      return write(
        `${component}.kubeconfig`,
        kubeconfig({ name: component, server: url, ca: authority.certificate, user }),
      );
    }),
  ]);
  return { ca: authority.certificate, admin };
}
