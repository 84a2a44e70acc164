import { labels, MANAGED_BY } from '../names.ts';

export type Component = 'node' | 'tessera' | 'signer-token' | 'postgres' | 'consortium';

export interface ChildOf {
  /** Program that runs: goquorum, tessera, hsm-signer, postgres. */
  readonly program: 'goquorum' | 'tessera' | 'hsm-signer' | 'postgres';
  /** Name of the custom resource. */
  readonly instance: string;
  readonly consortium: string;
  readonly organization: string;
  readonly component: Component;
  readonly role?: 'Validator' | 'Member' | undefined;
  /** Name of the HsmSigner whose signing sidecar the pod carries. */
  readonly signer?: string | undefined;
}

/** Labels of every child object and pod. */
export function childLabels(child: ChildOf): Record<string, string> {
  return {
    [labels.managedBy]: MANAGED_BY,
    [labels.name]: child.program,
    [labels.instance]: child.instance,
    [labels.consortium]: child.consortium,
    [labels.organization]: child.organization,
    [labels.component]: child.component,
    ...(child.role ? { [labels.role]: child.role.toLowerCase() } : {}),
    ...(child.signer ? { [labels.signer]: child.signer } : {}),
  };
}

/** The labels by which Services, policies and StatefulSets find the pods of one resource: a subset that never changes. */
export function selectorLabels(child: Pick<ChildOf, 'instance' | 'component'>): Record<string, string> {
  return { [labels.instance]: child.instance, [labels.component]: child.component };
}
