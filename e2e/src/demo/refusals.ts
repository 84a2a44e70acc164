import type { Cluster } from '../cluster/provider.ts';
import { applyManifests, type Images, imageOf, namespace } from './install.ts';
import { type ClientJob, jsonLines, runJobs } from './jobs.ts';
import { CLIENT_NAMESPACE, CONSORTIUM, organizationNamespace } from './network.ts';
import { doorUrl, organizationCa } from './transact.ts';
import { createLoginKey, issuerOf, USER_SCOPE } from './users.ts';

export const STRANGER_NAMESPACE = 'quorum-strangers';

export interface Refusal {
  /** What was tried. */
  readonly attempt: string;
  /** True when it was refused in the way it must be. */
  readonly refused: boolean;
  /** What came back. */
  readonly answer: string;
}

function probeJob(name: string, job: Partial<ClientJob> & Pick<ClientJob, 'image' | 'env'>): ClientJob {
  return { name, namespace: CLIENT_NAMESPACE, args: ['probe'], ...job };
}

/** Calls from a permitted place without a token and with a token of somebody else; a connection from a place not listed. */
async function doorRefusals(cluster: Cluster, images: Images, organization: string, node: string): Promise<Refusal[]> {
  await applyManifests(cluster, [namespace(STRANGER_NAMESPACE)]);
  const image = imageOf(images, 'fixture-client');
  const ca = await organizationCa(cluster, organization);
  const env = { URL: doorUrl(organization, node), NODE_EXTRA_CA_CERTS: '/run/client/ca.crt', TIMEOUT_MS: '4000' };
  const stranger = await issuerOf(CONSORTIUM, organization, await createLoginKey());
  const foreignToken = await stranger.token('mallory', USER_SCOPE);
  const results = await runJobs(cluster, [
    probeJob('probe-no-token', { image, env, files: { 'ca.crt': ca } }),
    probeJob('probe-foreign-token', {
      image,
      env: { ...env, TOKEN_FILE: '/run/client/token' },
      files: { 'ca.crt': ca, token: foreignToken },
    }),
    probeJob('probe-stranger', { image, env, files: { 'ca.crt': ca }, namespace: STRANGER_NAMESPACE }),
  ]);
  const [noToken, foreign, unreachable] = results.map(({ log }) => jsonLines(log).at(-1) ?? { log });
  return [
    {
      attempt: `call to ${node} without a token`,
      refused: noToken?.status === 401 && JSON.stringify(noToken).includes('-32001'),
      answer: JSON.stringify(noToken),
    },
    {
      attempt: `call to ${node} with a token signed by a stranger's key`,
      refused: foreign?.status === 401 && JSON.stringify(foreign).includes('-32001'),
      answer: JSON.stringify(foreign),
    },
    {
      attempt: `connection to ${node} from a pod that rpc.clients does not list`,
      refused: unreachable?.connected === false && unreachable.error === 'timeout',
      answer: JSON.stringify(unreachable),
    },
  ];
}

/** What the API server must refuse even to a cluster administrator. */
async function apiRefusals(cluster: Cluster, organization: string, node: string): Promise<Refusal[]> {
  const ns = organizationNamespace(organization);
  const pod = `${node}-0`;
  const { stdout: host } = await cluster.kubectl(['get', 'pod', pod, '-n', ns, '-o', 'jsonpath={.spec.nodeName}']);
  const attempts: [string, string[]][] = [
    [`kubectl exec into ${pod}`, ['exec', '-n', ns, pod, '-c', 'geth', '--', 'id']],
    [`kubectl attach to ${pod}`, ['attach', '-n', ns, pod, '-c', 'geth']],
    [`kubectl port-forward to ${pod}`, ['port-forward', '-n', ns, pod, '18443:8443']],
    [
      `kubectl debug (ephemeral container) in ${pod}`,
      ['debug', '-n', ns, pod, '--image=busybox', '--profile=restricted'],
    ],
    [`exec by way of nodes/proxy`, ['get', '--raw', `/api/v1/nodes/${host}/proxy/pods`]],
  ];
  return Promise.all(
    attempts.map(async ([attempt, args]) => {
      const { code, stderr } = await cluster.kubectl(args, { allowFailure: true, timeoutMs: 20_000 });
      const refused = code !== 0 && /ValidatingAdmissionPolicy|denied request|break-glass/i.test(stderr);
      return { attempt, refused, answer: stderr.trim().split('\n').at(-1) ?? '' };
    }),
  );
}

/** Tries what must be refused, for real. */
export async function tryRefused(
  cluster: Cluster,
  images: Images,
  organization: string,
  node: string,
): Promise<Refusal[]> {
  const [api, door] = await Promise.all([
    apiRefusals(cluster, organization, node),
    doorRefusals(cluster, images, organization, node),
  ]);
  return [...door, ...api];
}
