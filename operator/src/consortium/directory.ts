import { canonicalJson, type Json, sha256Hex } from '../consensus/canonical-json.ts';

/** One node of the network as its peers need to know it. */
export interface MemberNode {
  /** Name of its QuorumNode; for a node of a remote organization `remote-` and the first 12 digits of its node id. */
  readonly name: string;
  /** Absent for nodes outside this cluster. */
  readonly namespace?: string | undefined;
  readonly role: 'Validator' | 'Member';
  /** 128 hex digits. */
  readonly publicKey: string;
  /** Lower case, 0x. */
  readonly address: string;
  /** Stable address: the cluster IP of its Service, or what the remote organization gave. */
  readonly enode: string;
  /** It is in the declared set of validators. */
  readonly validator: boolean;
}

/** One transaction manager. */
export interface MemberTessera {
  /** Name of its TesseraNode; for a remote one its host name. */
  readonly name: string;
  readonly namespace?: string | undefined;
  /** URL of its P2P port, with a slash at the end. */
  readonly url: string;
  /** Base64 public keys, once known. */
  readonly keys?: readonly string[] | undefined;
}

export interface MemberOrganization {
  readonly name: string;
  readonly hosted: boolean;
  /** Absent for organizations outside this cluster. */
  readonly namespace?: string | undefined;
  readonly jurisdictions: readonly string[];
  readonly nodes: readonly MemberNode[];
  readonly tesseras: readonly MemberTessera[];
  /** Address ranges of a remote organization. */
  readonly cidrs: readonly string[];
}

/** Who belongs to the network and how each is reached. `members.json` of ConfigMap `<consortium>-members` in each organization's namespace. */
export interface MemberDirectory {
  readonly consortium: string;
  readonly chainId: number;
  readonly organizations: readonly MemberOrganization[];
}

/** Key of the ConfigMap `<consortium>-members` under which the directory is stored. */
export const MEMBERS_KEY = 'members.json';

/** The directory in one order, whatever order its parts were found in: organizations, nodes, managers by name; lists of values sorted. */
export function sortDirectory(directory: MemberDirectory): MemberDirectory {
  return {
    consortium: directory.consortium,
    chainId: directory.chainId,
    organizations: [...directory.organizations].sort(by((organization) => organization.name)).map((organization) => ({
      name: organization.name,
      hosted: organization.hosted,
      namespace: organization.namespace,
      jurisdictions: [...organization.jurisdictions].sort(),
      nodes: [...organization.nodes].sort(by((node) => `${node.name} ${node.publicKey}`)),
      tesseras: [...organization.tesseras]
        .sort(by((tessera) => `${tessera.name} ${tessera.url}`))
        .map((tessera) => ({ ...tessera, keys: tessera.keys && [...tessera.keys].sort() })),
      cidrs: [...organization.cidrs].sort(),
    })),
  };
}

/** Bytes of `members.json`: canonical, so equal directories are equal texts. */
export function renderDirectory(directory: MemberDirectory): string {
  return canonicalJson(sortDirectory(directory) as unknown as Json);
}

/** SHA-256 of `members.json`, hex: changes exactly when a member changes. */
export function directoryDigest(directory: MemberDirectory): string {
  return sha256Hex(renderDirectory(directory));
}

/**
 * Reads `members.json`.
 * @throws Error when the text is no directory, which means that somebody else wrote the ConfigMap.
 */
export function parseDirectory(text: string): MemberDirectory {
  const value = JSON.parse(text) as MemberDirectory;
  if (typeof value?.consortium !== 'string' || !Array.isArray(value.organizations)) {
    throw new Error(`${MEMBERS_KEY} is no member directory; delete the ConfigMap and the operator writes it again`);
  }
  return value;
}

/** All nodes of all organizations, in the directory's order. */
export function allNodes(directory: MemberDirectory): (MemberNode & { readonly organization: string })[] {
  return directory.organizations.flatMap((organization) =>
    organization.nodes.map((node) => ({ ...node, organization: organization.name })),
  );
}

function by<T>(key: (value: T) => string): (a: T, b: T) => number {
  return (a, b) => {
    const [left, right] = [key(a), key(b)];
    return left < right ? -1 : left > right ? 1 : 0;
  };
}
