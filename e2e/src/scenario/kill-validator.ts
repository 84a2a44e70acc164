import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from '../cluster/provider.ts';
import type { Images } from '../demo/install.ts';
import { organizationNamespace } from '../demo/network.ts';
import { sendTransactions } from '../demo/transact.ts';
import type { Issuer } from '../demo/users.ts';

export interface KillResult {
  readonly sent: number;
  readonly mined: number;
  /** Blocks in which transactions were mined between the kill and the return of the pod. */
  readonly blocksWhileDown: number;
  readonly podCameBack: boolean;
}

interface Pod {
  metadata: { uid: string };
  status: { conditions?: { type: string; status: string }[]; containerStatuses?: { restartCount: number }[] };
}

async function getPod(cluster: Cluster, namespace: string, name: string): Promise<Pod | undefined> {
  const { stdout } = await cluster.kubectl(['get', 'pod', name, '-n', namespace, '--ignore-not-found', '-o', 'json']);
  return stdout.trim() === '' ? undefined : (JSON.parse(stdout) as Pod);
}

const isReady = (pod: Pod | undefined) =>
  pod?.status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true;

/**
 * Deletes a validator's pod without grace (SIGKILL for geth) while a user sends one transaction a second, and follows
 * what is mined until the pod is Ready again.
 */
export async function killValidatorUnderLoad(
  cluster: Cluster,
  images: Images,
  issuer: Issuer,
  organization: string,
): Promise<KillResult> {
  const namespace = organizationNamespace(organization);
  const name = `${organization}-validator-0`;
  const before = await getPod(cluster, namespace, name);
  const count = 40;
  const load = sendTransactions(cluster, images, issuer, [
    { user: 'steady', node: 'alpha-member', count, everyMs: 1000, timeoutSeconds: 240 },
  ]);
  await sleep(8_000); // the load is under way before the kill; nothing observable marks the middle of a stream
  await cluster.kubectl(['delete', 'pod', name, '-n', namespace, '--grace-period=0', '--force']);
  const killed = Date.now();
  let podCameBack = false;
  while (!podCameBack && Date.now() - killed < 180_000) {
    const pod = await getPod(cluster, namespace, name);
    podCameBack = isReady(pod) && pod?.metadata.uid !== before?.metadata.uid;
    await sleep(500);
  }
  const returned = Date.now();
  const receipts = await load;
  const whileDown = receipts.filter(({ minedAt }) => minedAt > killed && minedAt < returned);
  const blocks = new Set(whileDown.map(({ block }) => block));
  return { sent: count, mined: receipts.length, blocksWhileDown: blocks.size, podCameBack };
}
