import type { Cluster } from '../cluster/provider.ts';
import { type Images, imageOf } from './install.ts';
import { type ClientJob, type JobResult, jsonLines, runJobs } from './jobs.ts';
import { CLIENT_NAMESPACE, organizationNamespace } from './network.ts';
import { type Issuer, USER_SCOPE } from './users.ts';

export interface Receipt {
  readonly user: string;
  readonly node: string;
  readonly from: string;
  readonly hash: string;
  readonly block: number;
  readonly nonce: number;
  /** When the client saw the receipt, milliseconds since 1970. */
  readonly minedAt: number;
}

export interface Sender {
  readonly user: string;
  /** QuorumNode whose door is used. */
  readonly node: string;
  readonly count: number;
  /** Pause between transactions; without it each is sent when the one before is mined. */
  readonly everyMs?: number;
  readonly timeoutSeconds?: number;
}

/** HTTPS address of a node's door inside the cluster. */
export function doorUrl(organization: string, node: string): string {
  return `https://${node}.${organizationNamespace(organization)}.svc:8443`;
}

/** Certificate authority of an organization, as its applications are given it. */
export async function organizationCa(cluster: Cluster, organization: string): Promise<string> {
  const { stdout } = await cluster.kubectl([
    'get',
    'configmap',
    'organization-ca',
    '-n',
    organizationNamespace(organization),
    '-o',
    'jsonpath={.data.ca\\.crt}',
  ]);
  return stdout;
}

/** One Job a user, all at once; every transaction comes from the organization's one HSM account. */
export async function sendTransactions(
  cluster: Cluster,
  images: Images,
  issuer: Issuer,
  senders: readonly Sender[],
): Promise<Receipt[]> {
  const ca = await organizationCa(cluster, issuer.organization);
  const jobs = await Promise.all(
    senders.map((sender) => clientJob(sender, issuer, ca, imageOf(images, 'fixture-client'))),
  );
  const timeoutSeconds = Math.max(120, ...senders.map(({ timeoutSeconds }) => timeoutSeconds ?? 0));
  const results = await runJobs(cluster, jobs, timeoutSeconds);
  return results.flatMap((result, index) => receipts(result, senders[index] as Sender));
}

async function clientJob(
  { user, node, count, everyMs }: Sender,
  issuer: Issuer,
  ca: string,
  image: string,
): Promise<ClientJob> {
  return {
    name: `send-${user}`,
    namespace: CLIENT_NAMESPACE,
    image,
    args: ['send'],
    env: {
      URL: doorUrl(issuer.organization, node),
      TOKEN_FILE: '/run/client/token',
      NODE_EXTRA_CA_CERTS: '/run/client/ca.crt',
      COUNT: String(count),
      ...(everyMs === undefined ? {} : { EVERY_MS: String(everyMs) }),
    },
    files: { token: await issuer.token(user, USER_SCOPE), 'ca.crt': ca },
  };
}

function receipts({ succeeded, log }: JobResult, { user, node }: Sender): Receipt[] {
  const lines = jsonLines(log);
  if (!succeeded) throw new Error(`${user} could not transact through ${node}:\n${log}`);
  return lines
    .filter((line) => typeof line.hash === 'string')
    .map((line) => ({
      user,
      node,
      from: String(line.from),
      hash: String(line.hash),
      block: Number(line.block),
      nonce: Number(line.nonce),
      minedAt: Number(line.minedAt),
    }));
}
