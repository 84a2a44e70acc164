import type { Consortium } from '../api/consortium.ts';
import { enodeUrl, identityOfPublicKey, parseEnode } from '../consensus/node-key.ts';
import { ports } from '../names.ts';
import {
  type MemberDirectory,
  type MemberNode,
  type MemberOrganization,
  type MemberTessera,
  sortDirectory,
} from './directory.ts';
import { hostedValidators, identityOf, type Observation, type ObservedNode } from './observation.ts';

type Organization = Consortium['spec']['organizations'][number];

/**
 * The member directory.
 * @returns undefined while key or address of a declared validator here is unknown: geth reads its list of peers once, at its start, so no node may
 * start with half of it, and a directory never loses a validator because a Secret is away.
 */
export function memberDirectory(observation: Observation): MemberDirectory | undefined {
  const { spec, metadata } = observation.consortium;
  const complete = hostedValidators(observation).every((node) => identityOf(node) && node.clusterIP);
  if (!complete || observation.claims.length !== observation.organizations.length) return undefined;
  return sortDirectory({
    consortium: metadata.name,
    chainId: spec.chainId,
    organizations: spec.organizations.map((organization) =>
      organization.hosted ? hosted(observation, organization) : remote(observation, organization),
    ),
  });
}

function hosted(observation: Observation, organization: Organization): MemberOrganization {
  const observed = observation.organizations.find((candidate) => candidate.name === organization.name);
  return {
    name: organization.name,
    hosted: true,
    namespace: observed?.namespace,
    jurisdictions: organization.jurisdictions ?? [],
    nodes: observation.nodes
      .filter((node) => node.organization === organization.name)
      .flatMap((node) => hostedNode(node) ?? []),
    tesseras: (observed?.tesseraNodes ?? []).map(({ metadata, status }): MemberTessera => {
      const keys = status?.publicKeys ?? [];
      return {
        name: metadata.name,
        namespace: metadata.namespace,
        url: `https://${metadata.name}.${metadata.namespace}.svc.cluster.local:${ports.tesseraPeer}/`,
        keys: keys.length > 0 ? keys : undefined,
      };
    }),
    cidrs: [],
  };
}

function hostedNode(node: ObservedNode): MemberNode | undefined {
  const identity = identityOf(node);
  if (!identity || !node.clusterIP) return undefined;
  return {
    name: node.name,
    namespace: node.namespace,
    role: node.declared ? 'Validator' : (node.quorumNode?.spec.role ?? 'Member'),
    publicKey: identity.publicKey,
    address: identity.address,
    enode: enodeUrl(identity.publicKey, node.clusterIP),
    validator: node.declared,
  };
}

/** A validator's enode is taken once, also when `remote.enodes` repeats it. */
function remote(observation: Observation, organization: Organization): MemberOrganization {
  const { enodes = [], tesseraUrls = [], cidrs = [] } = organization.remote ?? {};
  const validators = observation.consortium.spec.validators.filter(
    (validator) => validator.organization === organization.name,
  );
  const nodes = new Map<string, MemberNode>();
  for (const { enode } of validators) {
    const node = enode === undefined ? undefined : remoteNode(enode, true);
    if (node) nodes.set(node.publicKey, node);
  }
  for (const enode of enodes) {
    const node = remoteNode(enode, false);
    if (node && !nodes.has(node.publicKey)) nodes.set(node.publicKey, node);
  }
  return {
    name: organization.name,
    hosted: false,
    jurisdictions: organization.jurisdictions ?? [],
    nodes: [...nodes.values()],
    tesseras: tesseraUrls.map((url) => ({ name: new URL(url).hostname, url: url.endsWith('/') ? url : `${url}/` })),
    cidrs,
  };
}

function remoteNode(enode: string, validator: boolean): MemberNode | undefined {
  const parsed = parseEnode(enode);
  if (!parsed) return undefined;
  const { publicKey, address, nodeId } = identityOfPublicKey(parsed.publicKey);
  return {
    name: `remote-${nodeId.slice(0, 12)}`,
    role: validator ? 'Validator' : 'Member',
    publicKey,
    address,
    enode,
    validator,
  };
}
