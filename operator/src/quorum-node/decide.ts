import { allNodes } from '../consortium/directory.ts';
import { isTrue } from '../kube/conditions.ts';
import type { Condition } from '../kube/types.ts';
import { membershipFinding } from '../workload/membership.ts';
import { externalEndpoint } from './exposure.ts';
import { isDeclaredValidator, type NodeObservation } from './observation.ts';
import { type Reason, reasons } from './reasons.ts';

/**
 * Something that stands in the way of a node.
 * `waiting`: ends by itself, when what is missing appears. `stalled`: a person must change this resource or another.
 */
export interface Finding {
  readonly kind: 'waiting' | 'stalled';
  readonly reason: Reason;
  readonly message: string;
  /** What must not be made while it holds: all children, the pod's template, or only the first pod. */
  readonly blocks: 'children' | 'template' | 'start';
}

/** Looks at one thing; undefined when it is as it should be. */
export type Policy = (observation: NodeObservation) => Finding | undefined;

const waiting = (reason: Reason, message: string, blocks: Finding['blocks'] = 'template'): Finding => ({
  kind: 'waiting',
  reason,
  message,
  blocks,
});
const stalled = (reason: Reason, message: string, blocks: Finding['blocks'] = 'children'): Finding => ({
  kind: 'stalled',
  reason,
  message,
  blocks,
});

/** Consortium, organization, namespace and environment fit together. */
export const membershipHolds: Policy = ({ node, consortium }) => {
  const finding = membershipFinding(node, consortium);
  return finding && { ...finding, blocks: 'children' };
};

export const imageKnown: Policy = (observation) =>
  gethImage(observation)
    ? undefined
    : stalled(
        reasons.ImageMissing,
        observation.node.spec.environment === 'Development'
          ? 'spec.image is not set and the operator has no default (DEFAULT_QUORUM_IMAGE); set one of them.'
          : 'spec.image is not set; outside environment Development it must name an image by digest.',
        'template',
      );

/**
 * A node that is to be reached from outside starts once, with its address: starting without it would mean a restart soon after, and
 * a restart is what a small network can least afford. A node that runs goes on as it is.
 */
export const reachableFromOutside: Policy = (observation) => {
  const endpoint = externalEndpoint(observation);
  if (endpoint.kind === 'pending') return waiting(reasons.ExposurePending, endpoint.message);
  return endpoint.kind === 'invalid' ? stalled(reasons.ExposureInvalid, endpoint.message, 'template') : undefined;
};

export const authoritiesExist: Policy = ({ node, consortium, authorities }) => {
  if (!consortium || (authorities.organization && authorities.operator)) return undefined;
  const missing = authorities.organization ? 'operator-ca' : 'organization-ca';
  return waiting(
    reasons.OrganizationNotPrepared,
    `ConfigMap ${missing} does not exist in namespace ${node.metadata.namespace} yet; the Consortium's controller makes it.`,
    'children',
  );
};

/** Where the organization is not prepared, nothing could be read, so nothing is lost. */
export const keyNotLost: Policy = ({ node, consortium, authorities, identity }) => {
  const known = node.status?.address;
  if (!consortium || !authorities.organization || !known || identity?.address === known) return undefined;
  const found = identity ? `holds another key, of address ${identity.address}` : 'is gone';
  return stalled(
    reasons.KeyLost,
    `Secret ${node.metadata.name}-nodekey ${found}. The node is known to the network as ${known}, and a key is never made anew: restore the Secret from your backup. To give the node up, delete this resource and create it under another name.`,
    'template',
  );
};

export const keyExists: Policy = (observation) => {
  if (observation.identity || !observation.consortium || observation.node.status?.address) return undefined;
  const maker = isDeclaredValidator(observation) ? "the Consortium's controller makes it" : 'it is being made';
  return waiting(
    reasons.NodeKeyNotReady,
    `Secret ${observation.node.metadata.name}-nodekey does not exist yet; ${maker}.`,
  );
};

export const genesisExists: Policy = ({ consortium, genesis }) =>
  !consortium || genesis
    ? undefined
    : waiting(
        reasons.GenesisNotReady,
        `The genesis of Consortium ${consortium.metadata.name} is not there yet; see the conditions of the Consortium.`,
      );

export const directoryLists: Policy = ({ node, consortium, directory, identity }) => {
  if (!consortium || !identity) return undefined;
  if (directory && allNodes(directory).some((entry) => entry.publicKey === identity.publicKey)) return undefined;
  return waiting(
    reasons.DirectoryNotReady,
    `The member directory of Consortium ${consortium.metadata.name} does not list ${node.metadata.name} yet.`,
  );
};

export const signerUsable: Policy = ({ node, consortium, signer }) => {
  const name = node.spec.signerRef?.name;
  if (!consortium || !name) return undefined;
  if (!signer) {
    return waiting(
      reasons.SignerNotFound,
      `HsmSigner ${name} does not exist in namespace ${node.metadata.namespace}; create it, or correct spec.signerRef.name.`,
    );
  }
  if (signer.spec.organization !== node.spec.organization) {
    return stalled(
      reasons.SignerMismatch,
      `HsmSigner ${name} belongs to organization ${signer.spec.organization}, the node to ${node.spec.organization}.`,
      'template',
    );
  }
  if (signer.spec.placement === 'Deployment') {
    return stalled(
      reasons.SignerMismatch,
      `HsmSigner ${name} has placement Deployment, which is not supported by this version of the operator, so nothing would sign at this node's door; write placement: Sidecar there, or remove spec.signerRef here.`,
      'template',
    );
  }
  if (signer.spec.database.postgres?.passwordSecretRef) {
    return stalled(
      reasons.SignerMismatch,
      `HsmSigner ${name} has database.postgres.passwordSecretRef; a signing sidecar authenticates by client certificate: write database.postgres.certificate: {} instead.`,
      'template',
    );
  }
  if (!signer.status?.token || (signer.status.accounts ?? []).length === 0) {
    return waiting(reasons.SignerNotReady, `HsmSigner ${name} has no token with accounts yet; see its conditions.`);
  }
  return undefined;
};

export const tesseraUsable: Policy = ({ node, consortium, tessera, statefulSet }) => {
  const name = node.spec.tesseraRef?.name;
  if (!consortium || !name) return undefined;
  if (!tessera) {
    return waiting(
      reasons.TesseraNotFound,
      `TesseraNode ${name} does not exist in namespace ${node.metadata.namespace}; create it, or correct spec.tesseraRef.name.`,
    );
  }
  if (tessera.spec.organization !== node.spec.organization) {
    return stalled(
      reasons.TesseraMismatch,
      `TesseraNode ${name} belongs to organization ${tessera.spec.organization}, the node to ${node.spec.organization}.`,
      'template',
    );
  }
  // A node that started once keeps its template: a transaction manager that is away for a while must not change it.
  if (statefulSet || isTrue(tessera.status?.conditions as Condition[] | undefined, 'Ready')) return undefined;
  return waiting(
    reasons.TesseraNotReady,
    `TesseraNode ${name} is not Ready; geth ends at once when its transaction manager does not answer, so the node starts after it.`,
    'start',
  );
};

export const issuersKnown: Policy = ({ consortium, issuers }) => {
  if (!consortium) return undefined;
  for (const { field, keys } of issuers) {
    if (keys.kind === 'missing') {
      return waiting(
        reasons.JwksNotFound,
        `${keys.source}, named by ${field}, does not exist; create it with the issuer's JWK Set.`,
      );
    }
    if (keys.kind === 'invalid') {
      return stalled(
        reasons.JwksInvalid,
        `${keys.source}, named by ${field}, is no JWK Set: ${keys.problem}.`,
        'template',
      );
    }
  }
  return undefined;
};

/** In the order in which a person would want to know. */
const policies: readonly Policy[] = [
  membershipHolds,
  imageKnown,
  authoritiesExist,
  keyNotLost,
  keyExists,
  genesisExists,
  directoryLists,
  reachableFromOutside,
  signerUsable,
  tesseraUsable,
  issuersKnown,
];

/** Everything that stands in the way, in order. */
export function decide(observation: NodeObservation): Finding[] {
  return policies.flatMap((policy) => policy(observation) ?? []);
}

/** What to tell first: a fault that needs a person before one that passes. */
export function headline(findings: readonly Finding[]): Finding | undefined {
  return findings.find((finding) => finding.kind === 'stalled') ?? findings[0];
}

/** The image that geth runs from: the resource's, or in Development the operator's default. */
export function gethImage({ node, operator }: NodeObservation): string | undefined {
  return node.spec.image ?? (node.spec.environment === 'Development' ? operator.defaultQuorumImage : undefined);
}
