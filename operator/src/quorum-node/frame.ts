import type { KubeObject } from '../kube/types.ts';
import { childLabels, selectorLabels } from '../workload/labels.ts';
import type { Environment } from '../workload/resources.ts';

/** What a node's resource alone says about all of its children. */
export interface NodeFrame {
  /** The QuorumNode as read from the API server. */
  readonly owner: KubeObject;
  readonly name: string;
  readonly namespace: string;
  readonly consortium: string;
  readonly organization: string;
  readonly environment: Environment;
  readonly role: 'Validator' | 'Member';
  /** Name of the HsmSigner whose signing sidecar the pod carries. */
  readonly signer?: string | undefined;
}

export function frameLabels(frame: NodeFrame): Record<string, string> {
  return childLabels({
    program: 'goquorum',
    instance: frame.name,
    consortium: frame.consortium,
    organization: frame.organization,
    component: 'node',
    role: frame.role,
    signer: frame.signer,
  });
}

/** Labels of what is made for good: without role and signer, which a node may change. */
export function claimLabels({ name, consortium, organization }: NodeFrame): Record<string, string> {
  return childLabels({ program: 'goquorum', instance: name, consortium, organization, component: 'node' });
}

export function frameSelector(frame: Pick<NodeFrame, 'name'>): Record<string, string> {
  return selectorLabels({ instance: frame.name, component: 'node' });
}

/** Host names of the node's door, most used first. */
export function doorNames(frame: Pick<NodeFrame, 'name' | 'namespace' | 'signer'>): string[] {
  const names = [frame.name, ...(frame.signer ? [frame.signer] : [])];
  return names.flatMap((name) => [`${name}.${frame.namespace}.svc`, `${name}.${frame.namespace}.svc.cluster.local`]);
}
