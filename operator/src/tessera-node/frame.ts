import type { KubeObject } from '../kube/types.ts';
import { ports } from '../names.ts';
import { childLabels, selectorLabels } from '../workload/labels.ts';
import type { Environment } from '../workload/resources.ts';

/** What a transaction manager's resource alone says about all of its children. */
export interface TesseraFrame {
  /** The TesseraNode as read from the API server. */
  readonly owner: KubeObject;
  readonly name: string;
  readonly namespace: string;
  readonly consortium: string;
  readonly organization: string;
  readonly environment: Environment;
}

export function frameLabels(frame: TesseraFrame): Record<string, string> {
  const { name, consortium, organization } = frame;
  return childLabels({ program: 'tessera', instance: name, consortium, organization, component: 'tessera' });
}

export function frameSelector(frame: Pick<TesseraFrame, 'name'>): Record<string, string> {
  return selectorLabels({ instance: frame.name, component: 'tessera' });
}

/** Host names of the transaction manager. */
export function hostNames(frame: Pick<TesseraFrame, 'name' | 'namespace'>): string[] {
  return [`${frame.name}.${frame.namespace}.svc`, `${frame.name}.${frame.namespace}.svc.cluster.local`];
}

/** URL of the P2P port, as the member directory has it, with a slash at the end. */
export function peerUrl(frame: Pick<TesseraFrame, 'name' | 'namespace'>): string {
  return `https://${frame.name}.${frame.namespace}.svc.cluster.local:${ports.tesseraPeer}/`;
}
