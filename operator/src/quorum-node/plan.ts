import { isIP } from 'node:net';
import { basename } from 'node:path';
import type { Consortium } from '../api/consortium.ts';
import type { HsmSigner } from '../api/hsm-signer.ts';
import { parseEnode } from '../consensus/node-key.ts';
import { DATABASE, DATABASE_USER } from '../hsm-signer/build/postgres-config.ts';
import { objectNames, ports } from '../names.ts';
import { regionsOf } from '../workload/affinity.ts';
import { selectorLabels } from '../workload/labels.ts';
import { type PolicyPeer, peersOfHost, podsHere } from '../workload/network-policy.ts';
import type { DoorPlan, DoorSigner, SignerDatabase } from './build/door-config.ts';
import type { NodeAccess } from './build/network-policy.ts';
import type { PodPlan, SignerVolumes } from './build/stateful-set.ts';
import { gethImage } from './decide.ts';
import { externalEndpoint } from './exposure.ts';
import type { NodeFrame } from './frame.ts';
import { carriedSigner, type NodeObservation } from './observation.ts';

/** Claim of the volume on which a node keeps the signer's embedded database. */
export const embeddedDatabaseClaim = (node: string) => `${node}-signer-database`;

/** What the resource alone says; see NodeFrame. */
export function frameOf(observation: Pick<NodeObservation, 'node' | 'signer'>): NodeFrame {
  const { node } = observation;
  return {
    owner: node,
    name: node.metadata.name,
    namespace: node.metadata.namespace!,
    consortium: node.spec.consortiumRef.name,
    organization: node.spec.organization,
    environment: node.spec.environment,
    role: node.spec.role,
    signer: carriedSigner(observation),
  };
}

export function accessOf(observation: NodeObservation): NodeAccess {
  const { node, consortium, operator, signer } = observation;
  return {
    operatorNamespace: operator.namespace,
    rpcClients: node.spec.rpc.clients.map((client) => ({
      namespace: client.namespace,
      podLabels: client.podSelector?.matchLabels,
    })),
    remote: consortium ? remoteMembers(consortium) : { cidrs: [], peers: [] },
    exposed: (node.spec.exposure?.type ?? 'None') !== 'None',
    tessera: node.spec.tesseraRef?.name,
    database: signer && carriedSigner(observation) ? databaseAccess(signer) : undefined,
  };
}

/** Members outside this cluster: the ranges they connect from, and where they are connected to. */
function remoteMembers({ spec }: Consortium): NodeAccess['remote'] {
  const remote = spec.organizations.flatMap((organization) => organization.remote ?? []);
  const enodes = [
    ...remote.flatMap((organization) => organization.enodes),
    ...spec.validators.flatMap((validator) => validator.enode ?? []),
  ];
  const peers = enodes.flatMap((enode) => {
    const { host, port } = parseEnode(enode) ?? {};
    return host === undefined || port === undefined ? [] : [{ host, port }];
  });
  return { cidrs: [...new Set(remote.flatMap((organization) => organization.cidrs))].sort(), peers };
}

function databaseAccess(signer: HsmSigner): { peers: PolicyPeer[]; port: number } | undefined {
  const { provision, postgres } = signer.spec.database;
  if (provision) {
    const pods = selectorLabels({ instance: signer.metadata.name, component: 'postgres' });
    return { peers: [podsHere(pods)], port: ports.postgres };
  }
  return postgres && { peers: peersOfHost(postgres.host), port: postgres.port };
}

/** Content of door.json. The observation must have no finding that blocks the template. */
export function doorPlanOf(observation: NodeObservation): DoorPlan {
  const { node, genesis, signer } = observation;
  if (!genesis) throw new Error('the genesis is unknown');
  const signs = signer && carriedSigner(observation) !== undefined;
  return {
    chain: { chainId: genesis.chainId, genesisSha256: genesis.sha256, configHash: genesis.configHash },
    issuers: observation.issuers.flatMap(({ issuer, audience, keys }) =>
      keys.kind === 'ok' ? [{ issuer, audience, jwks: keys.jwks }] : [],
    ),
    cors: node.spec.rpc.cors,
    limits: node.spec.rpc.limits,
    signer: signs ? doorSigner(signer) : undefined,
  };
}

function doorSigner(signer: HsmSigner): DoorSigner {
  const { token, accounts } = signer.status ?? {};
  if (!token || !accounts) throw new Error(`HsmSigner ${signer.metadata.name} has no token yet`);
  const { name, namespace } = signer.metadata;
  return {
    name,
    accounts: accounts.map((account) => ({ name: account.name, address: account.address, keyId: account.keyId })),
    moduleFile: basename(signer.spec.module.path),
    tokenLabel: token.label,
    tokenSerial: token.serial,
    softhsm: isSoftHsm(signer),
    database: signerDatabase(signer),
    // The Service of all signing doors, not each of them: a node that comes or goes must not restart its neighbours.
    peers: [{ name, url: `https://${name}.${namespace}.svc:${ports.door}` }],
  };
}

function signerDatabase(signer: HsmSigner): SignerDatabase {
  const { provision, postgres } = signer.spec.database;
  const { name, namespace } = signer.metadata;
  if (postgres) {
    return {
      kind: 'postgres',
      host: postgres.host,
      port: postgres.port,
      database: postgres.name,
      user: postgres.user,
      ownCa: postgres.caConfigMapRef !== undefined,
    };
  }
  if (!provision) return { kind: 'embedded' };
  const host = `${objectNames.postgres(name)}.${namespace}.svc`;
  return {
    kind: 'postgres',
    host,
    port: ports.postgres,
    database: DATABASE,
    user: DATABASE_USER,
    ownCa: false,
  };
}

/** SoftHSM keeps its token in files, which travel packed in a Secret; any other module talks to a device. */
function isSoftHsm(signer: HsmSigner): boolean {
  return signer.spec.module.path.includes('softhsm');
}

/** The pod. The observation must have no finding that blocks the template. */
export function podPlanOf(observation: NodeObservation, doorConfigSecret: string): PodPlan {
  const { node, genesis, operator } = observation;
  const image = gethImage(observation);
  if (!genesis || !image) throw new Error('genesis or image are unknown');
  const tessera = node.spec.tesseraRef?.name;
  const external = externalEndpoint(observation);
  return {
    images: { geth: image, sidecar: operator.sidecarImage },
    chainId: genesis.chainId,
    gasLimit: genesis.gasLimit,
    genesisSha256: genesis.sha256,
    verbosity: node.spec.logging.verbosity,
    // geth can be told an address alone; a name is in the enode that peers get.
    externalAddress: external.kind === 'known' && isIP(external.host) ? external.host : undefined,
    transactionManagerUrl: tessera && `https://${tessera}.${node.metadata.namespace}.svc:${ports.tesseraQ2T}`,
    extraArgs: node.spec.extraArgs,
    resources: node.spec.resources as PodPlan['resources'],
    doorConfigSecret,
    transactionManagerTls: observation.certificates?.find(
      ({ secretName }) => secretName === objectNames.ptmTls(node.metadata.name),
    ),
    signer: signerVolumesOf(observation),
    storage: node.spec.storage,
    deletionPolicy: node.spec.deletionPolicy,
    regions: regionsOf(observation.consortium, node.spec.organization),
  };
}

function signerVolumesOf(observation: NodeObservation): SignerVolumes | undefined {
  const { node, signer, operator } = observation;
  if (!signer || !carriedSigner(observation)) return undefined;
  const { database, module, token } = signer.spec;
  const name = signer.metadata.name;
  const moduleImage = module.image ?? operator.defaultSofthsmImage;
  if (!moduleImage)
    throw new Error(`HsmSigner ${name} names no module.image and the operator has no default (DEFAULT_SOFTHSM_IMAGE)`);
  const embedded = !database.provision && !database.postgres;
  return {
    moduleImage,
    modulePath: module.path,
    softhsm: isSoftHsm(signer),
    tokenSecret: objectNames.token(name),
    pinSecret: token.pinSecretRef?.name ?? objectNames.pin(name),
    databaseTlsSecret: embedded
      ? undefined
      : (database.postgres?.certificate?.secretRef?.name ?? objectNames.databaseTls(name)),
    databaseCa: database.postgres?.caConfigMapRef,
    embeddedDatabaseClaim: embedded ? embeddedDatabaseClaim(node.metadata.name) : undefined,
  };
}
