import type { HsmSigner } from '../api/hsm-signer.ts';
import type { KubeObject } from '../kube/types.ts';
import { type ChildOf, childLabels, selectorLabels } from '../workload/labels.ts';
import type { Environment } from '../workload/resources.ts';

/** What every child of a signer says about where it belongs. */
export interface SignerFrame {
  readonly name: string;
  readonly namespace: string;
  readonly consortium: string;
  readonly organization: string;
  readonly environment: Environment;
  readonly owner: KubeObject;
  /** Owner of what holds keys or data: only where the user has said that deletion destroys them. */
  readonly keyOwner?: KubeObject | undefined;
}

export function frameOf(signer: HsmSigner): SignerFrame {
  const owner = signer as unknown as KubeObject;
  return {
    name: signer.metadata.name,
    namespace: signer.metadata.namespace!,
    consortium: signer.spec.consortiumRef.name,
    organization: signer.spec.organization,
    environment: signer.spec.environment,
    owner,
    keyOwner: signer.spec.deletionPolicy === 'Delete' ? owner : undefined,
  };
}

export type SignerComponent = Extract<ChildOf['component'], 'signer-token' | 'postgres'>;

/** No child carries the label `signer`: by that label the Service finds the doors that sign. */
export function signerLabels(frame: SignerFrame, component: SignerComponent): Record<string, string> {
  return childLabels({
    program: component === 'postgres' ? 'postgres' : 'hsm-signer',
    instance: frame.name,
    consortium: frame.consortium,
    organization: frame.organization,
    component,
  });
}

export function signerSelector(frame: SignerFrame, component: SignerComponent): Record<string, string> {
  return selectorLabels({ instance: frame.name, component });
}
