/** Names that several parts rely on: labels, user ids, ports, object names. Changing one is a migration, so it needs an ADR. */

export const GROUP = 'quorum-operator.io';
export const VERSION = 'v1alpha1';

export const FIELD_MANAGER = 'quorum-operator';
export const STATUS_FIELD_MANAGER = 'quorum-operator-status';

export const labels = {
  managedBy: 'app.kubernetes.io/managed-by',
  name: 'app.kubernetes.io/name',
  instance: 'app.kubernetes.io/instance',
  consortium: `${GROUP}/consortium`,
  organization: `${GROUP}/organization`,
  component: `${GROUP}/component`,
  role: `${GROUP}/role`,
  signer: `${GROUP}/signer`,
} as const;

export const MANAGED_BY = 'quorum-operator';

/** One user id (and equal group id) a container, so that neighbours in a pod cannot read each other's memory. */
export const uids = { operator: 10000, geth: 10001, tessera: 10002, sidecar: 10003, postgres: 10004 } as const;

export const ports = {
  door: 8443,
  ops: 9443,
  probes: 8080,
  gethHttp: 8545,
  gethWebSocket: 8546,
  gethMetrics: 6060,
  peer: 30303,
  tesseraPeer: 9000,
  tesseraQ2T: 9101,
  tesseraThirdParty: 9080,
  postgres: 5432,
} as const;

/** The named ClusterRole that a RoleBinding in each organization's namespace refers to. */
export const ORGANIZATION_CLUSTER_ROLE = 'quorum-operator-organization';

export const objectNames = {
  organizationCa: 'organization-ca',
  membersCa: 'members-ca',
  operatorCa: 'operator-ca',
  operatorCaSecret: 'quorum-operator-ca',
  operatorClientTls: 'quorum-operator-client-tls',
  genesis: (consortium: string) => `${consortium}-genesis`,
  members: (consortium: string) => `${consortium}-members`,
  nodeKey: (node: string) => `${node}-nodekey`,
  peerService: (node: string) => `${node}-p2p`,
  externalPeerService: (node: string) => `${node}-p2p-external`,
  tls: (name: string) => `${name}-tls`,
  ptmTls: (node: string) => `${node}-ptm-tls`,
  peers: (node: string) => `${node}-peers`,
  pin: (signer: string) => `${signer}-pin`,
  token: (signer: string) => `${signer}-token`,
  postgres: (signer: string) => `${signer}-postgres`,
  postgresTls: (signer: string) => `${signer}-postgres-tls`,
  databaseTls: (signer: string) => `${signer}-database-tls`,
} as const;

/** Audience that every token of an organization's users must carry. */
export function audience(consortium: string, organization: string): string {
  return `quorum-operator:${consortium}:${organization}`;
}

export type CertificateRole = 'node' | 'tessera' | 'signer' | 'postgres' | 'operator' | 'monitoring';

/** URI SAN by which a client certificate is mapped to what it may do. */
export function certificateUri(consortium: string, organization: string, role: CertificateRole, name: string): string {
  return `quorum-operator://${consortium}/${organization}/${role}/${name}`;
}

export const OPERATOR_URI = 'quorum-operator://operator/operator/operator/quorum-operator';
