import { z } from 'zod';
import {
  certificateStatuses,
  deletionPolicy,
  dnsLabel,
  image,
  imagePinned,
  integer,
  issuers,
  listAtomic,
  listSet,
  localRef,
  membership,
  NAME_LENGTH,
  type Resource,
  resources,
  rules,
  statusBase,
  storage,
  text,
} from './common.ts';
import { type KindDefinition, nameRule } from './definition.ts';
import { QUORUMNODES } from './resources.ts';

const client = z.strictObject({
  namespace: dnsLabel().describe('Namespace of the pods.'),
  podSelector: z
    .strictObject({
      matchLabels: z
        .record(z.string(), text(63, 0))
        .meta({ maxProperties: 16 })
        .default({})
        .describe('Labels that the pods must carry.'),
    })
    .optional()
    .describe('Which pods of that namespace; all of them when absent.'),
});

const ORIGIN = '^https://[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:[0-9]{1,5})?$';

const origin = rules(text(269), {
  rule: `self.matches('${ORIGIN}')`,
  message:
    "must be an exact https origin such as https://app.example.com: '*', wildcards, paths and plain http are refused",
  check: (self) => new RegExp(ORIGIN).test(self),
});

const limits = z
  .strictObject({
    requestsPerSecond: integer(1, 100_000).default(200).describe('Requests a second of one caller, over time.'),
    burst: integer(1, 200_000).default(400).describe('Requests that one caller may send at once.'),
    concurrency: integer(1, 10_000).default(256).describe('Requests served at the same time.'),
    maxBodyBytes: integer(1024, 104_857_600).default(5_242_880).describe('Largest request, in bytes.'),
    maxBatch: integer(1, 1000).default(100).describe('Calls in one JSON-RPC batch.'),
  })
  .prefault({})
  .describe('Limits at the door, by which a flood of requests is refused.');

const rpc = z
  .strictObject({
    clients: listAtomic(z.array(client).max(64))
      .default([])
      .describe('Pods that may connect to the door; nobody else can.'),
    cors: listSet(z.array(origin).max(64))
      .default([])
      .describe('Web origins that browsers may call from: exact https origins.'),
    issuers,
    limits,
  })
  .prefault({})
  .describe('Who may use JSON-RPC, and how much.');

const exposure = rules(
  z.strictObject({
    type: z
      .enum(['None', 'LoadBalancer', 'NodePort', 'Address'])
      .default('None')
      .describe(
        'How peers outside the cluster reach port 30303: not at all (default), by a load balancer, a node port or a given address.',
      ),
    address: text(259)
      .regex(/^(\[[0-9a-fA-F:.]+\]|[0-9a-zA-Z]([-0-9a-zA-Z.]*[0-9a-zA-Z])?)(:[1-9][0-9]{0,4})?$/)
      .optional()
      .describe(
        'host or host:port that leads to this node, an IPv6 address in brackets; for types Address and NodePort. Without a port: 30303, or the node port.',
      ),
  }),
  {
    rule: "(self.type in ['Address', 'NodePort']) == has(self.address)",
    message: 'address must be given exactly when type is Address or NodePort',
    check: (self) => ['Address', 'NodePort'].includes(self.type) === (self.address !== undefined),
  },
)
  .optional()
  .describe(
    'How peers outside the cluster reach this node; only from the address ranges of remote organizations in the Consortium.',
  );

/**
 * Flags that weaken the node or that the operator sets itself. By family, so that a flag of a later release
 * (`--http.something`) is refused as well.
 */
const REFUSED_FLAGS =
  '^--(unlock|password|keystore|allow-insecure|personal|signer|usb|nousb|pcsc|plugins|account-plugin|raft|http|ws|rpc|graphql|ipc|noipc|authrpc|js|exec|preload|dev|config|datadir|nodekey|bootnodes|nodiscover|discovery|v5disc|netrestrict|nat|port|mine|miner|istanbul|permissioned|ptm|qlight|multitenancy|revertreason|immutabilitythreshold|emitcheckpoints|privacymarker|metrics|pprof|verbosity|vmodule|log|networkid|gcmode|syncmode|override|vm|allow)';

const argument = rules(text(256), {
  rule: `self.matches('^--[a-z0-9][-a-z0-9.]*(=[^ ]*)?$') && !self.matches('${REFUSED_FLAGS}')`,
  message:
    'must be one safe flag as --name or --name=value: flags on unlocking, personal, plugins, raft, http, ws, ipc, discovery, keys and mining are refused; what they do is set by fields of this resource or by the Consortium',
  check: (self) => /^--[a-z0-9][-a-z0-9.]*(=[^ ]*)?$/.test(self) && !new RegExp(REFUSED_FLAGS).test(self),
});

const specShape = z.strictObject({
  ...membership,
  role: z
    .enum(['Validator', 'Member'])
    .describe('Validator: seals blocks, carries no transaction manager. Member: serves applications.'),
  image: image.optional().describe('Image of GoQuorum, by digest. Optional in Development only.'),
  tesseraRef: localRef.optional().describe('TesseraNode that this member sends private payloads to.'),
  signerRef: localRef.optional().describe("HsmSigner that signs at this node's door."),
  rpc,
  exposure,
  storage: storage('10Gi'),
  resources,
  logging: z
    .strictObject({
      verbosity: integer(0, 5).default(3).describe('0 silent, 1 error, 2 warning, 3 info (default), 4 debug, 5 trace.'),
    })
    .prefault({})
    .describe('What the node logs.'),
  extraArgs: listAtomic(z.array(argument).max(32))
    .optional()
    .describe('More flags for geth, such as --cache=2048. Flags that weaken the node are refused.'),
  deletionPolicy,
  suspend: z.boolean().optional().describe('Stops reconciling while true; the node keeps running.'),
});

export const quorumNodeSpec = rules(
  specShape,
  ...imagePinned<z.output<typeof specShape>>('image', (self) => self.image),
  {
    rule: "self.role == 'Member' || !has(self.tesseraRef)",
    message:
      'tesseraRef must be left out of a Validator: a node whose transaction manager is gone stops itself, so validators carry none; use a Member',
    check: (self) => self.role === 'Member' || self.tesseraRef === undefined,
  },
);

export const quorumNodeStatus = z.object({
  ...statusBase,
  certificates: certificateStatuses,
  enode: text(300).optional().describe('Enode URL by which peers reach the node.'),
  externalEnode: text(420)
    .optional()
    .describe(
      'Enode URL for peers outside the cluster, to be given to the operators of their nodes; see spec.exposure.',
    ),
  address: text(42).optional().describe('Address of the node key, as in the validator set.'),
  nodeId: text(128).optional().describe('Public node key, 128 hex digits.'),
  peers: integer(0, 100_000).optional().describe('Connected peers.'),
  validator: z.boolean().optional().describe('Whether the node is in the validator set of the chain.'),
  lastBlock: z
    .object({
      number: integer(0, Number.MAX_SAFE_INTEGER).describe('Number of the block.'),
      time: text(64).describe('Time of the block, RFC 3339.'),
    })
    .optional()
    .describe('A recent block that the node has; not each one, see the metrics for that.'),
  image: text(512).optional().describe('Image of the running node.'),
  digest: text(128).optional().describe('Digest of the running image.'),
  clientVersion: text(256).optional().describe('What the node says it is.'),
});

/** One GoQuorum node. */
export type QuorumNodeSpec = z.output<typeof quorumNodeSpec>;
export type QuorumNodeStatus = z.output<typeof quorumNodeStatus>;
export type QuorumNode = Resource<'QuorumNode', QuorumNodeSpec, QuorumNodeStatus>;

export const quorumNodeDefinition: KindDefinition = {
  resource: QUORUMNODES,
  shortName: 'qn',
  description:
    'A QuorumNode is one GoQuorum node, validator or member, behind a sidecar that is the only way in: TLS, tokens, limits, and signing where the node names an HsmSigner.',
  spec: quorumNodeSpec,
  status: quorumNodeStatus,
  rules: [nameRule(NAME_LENGTH)],
  columns: [
    { name: 'Role', type: 'string', jsonPath: '.spec.role', description: 'Validator or Member.' },
    { name: 'Peers', type: 'integer', jsonPath: '.status.peers', description: 'Connected peers.' },
  ],
};
