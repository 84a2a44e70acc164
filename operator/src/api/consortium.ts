import { z } from 'zod';
import {
  address,
  CONSORTIUM_NAME_LENGTH,
  certificateStatuses,
  cidr,
  dataKey,
  date,
  dnsLabel,
  enode,
  environmentSchema,
  httpsUrl,
  immutable,
  integer,
  listAtomic,
  listMap,
  listSet,
  NAME_LENGTH,
  neverAddedOrRemoved,
  ORGANIZATION_NAME_LENGTH,
  objectName,
  type Resource,
  type Rule,
  rules,
  sha256,
  statusBase,
  text,
} from './common.ts';
import { type KindDefinition, nameRule } from './definition.ts';
import { CONSORTIUMS } from './resources.ts';

const GENESIS_FIXED = 'it is part of the genesis block; a network with other settings is a new Consortium';

const consensus = rules(
  z.strictObject({
    algorithm: z
      .enum(['QBFT', 'IBFT', 'Raft'])
      .default('QBFT')
      .describe(
        'QBFT (default) or IBFT. Raft trusts every participant, so it is refused but for one organization in Development.',
      ),
    blockPeriodSeconds: integer(1, 3600).default(2).describe('Least time between two blocks, in seconds.'),
    requestTimeoutSeconds: integer(1, 3600)
      .default(4)
      .describe('Time until the first round change, in seconds; doubles each round.'),
    maxRequestTimeoutSeconds: integer(1, 86400)
      .default(30)
      .describe(
        'Cap of the doubling, in seconds. Without a cap, or with a low one, a network that lost its quorum may never agree again.',
      ),
    epochLength: integer(10, 10_000_000).default(30_000).describe('Blocks after which pending votes are dropped.'),
    emptyBlockPeriodSeconds: integer(1, 3600)
      .optional()
      .describe(
        'Least time between two empty blocks, in seconds. Best left out: an idle proposer looks like a dead one.',
      ),
  }),
  immutable('consensus', GENESIS_FIXED),
)
  .prefault({})
  .describe('Consensus settings; part of the genesis.');

const decimal = text(78).regex(/^(0|[1-9][0-9]*)$/);
const word = text(66, 3).regex(/^0x[0-9a-fA-F]{1,64}$/);

const account = z.strictObject({
  balance: decimal.describe('Balance in wei, a decimal string.'),
  code: text(49154, 2)
    .regex(/^0x([0-9a-fA-F]{2})*$/)
    .optional()
    .describe('Runtime code of a contract, hex with 0x.'),
  nonce: integer(0, Number.MAX_SAFE_INTEGER).optional().describe('Nonce of the account.'),
  storage: z
    .record(z.string(), word)
    .meta({ maxProperties: 1024 })
    .optional()
    .describe('Storage of a contract: slot to value, both 32 bytes in hex with 0x.'),
});

const ALLOC_KEY = /^0x[0-9a-fA-F]{40}$/;

const create = z.strictObject({
  gasLimit: decimal
    .default('60000000')
    .describe('Gas limit of a block, a decimal string; also target and cap, so that it does not drift.'),
  alloc: rules(z.record(z.string(), account).meta({ maxProperties: 256 }), {
    rule: "self.all(key, key.matches('^0x[0-9a-fA-F]{40}$'))",
    message: 'keys of alloc must be addresses: 0x and 40 hex digits',
    check: (self) => Object.keys(self).every((key) => ALLOC_KEY.test(key)),
  })
    .default({})
    .describe('Accounts that exist from the start, by address.'),
  privacy: z
    .boolean()
    .default(true)
    .describe(
      'Private transactions (default true). The Berlin fork is left out then, because privacy and access lists break each other in GoQuorum.',
    ),
});

const imported = rules(
  z.strictObject({
    genesis: text(524_288)
      .optional()
      .describe(
        'The genesis.json of the running network, verbatim. Every setting is taken as it is; unsafe ones show as verdicts.',
      ),
    configMapRef: z
      .strictObject({
        namespace: dnsLabel().describe(
          'Namespace of the ConfigMap; one of an organization hosted here, where the operator may read it.',
        ),
        name: objectName.describe('Name of the ConfigMap.'),
        key: dataKey.default('genesis.json').describe('Key in the ConfigMap.'),
      })
      .optional()
      .describe('ConfigMap that holds the genesis.json.'),
  }),
  {
    rule: 'has(self.genesis) != has(self.configMapRef)',
    message: 'must have exactly one source of the genesis: write either genesis or configMapRef',
    check: (self) => (self.genesis !== undefined) !== (self.configMapRef !== undefined),
  },
);

const genesis = rules(
  z.strictObject({
    create: create.optional().describe('Makes the genesis of a new network.'),
    import: imported.optional().describe('Takes over the genesis of a running network.'),
  }),
  {
    rule: 'has(self.create) != has(self.__import__)',
    message: 'must have exactly one of create and import: write create: {} for a new network, import for a running one',
    check: (self) => (self.create !== undefined) !== (self.import !== undefined),
  },
  immutable('genesis', 'all blocks build on it; a network with another genesis is a new Consortium'),
).describe('Where the genesis comes from. Never changes.');

const validator = rules(
  z.strictObject({
    organization: dnsLabel(ORGANIZATION_NAME_LENGTH).describe('Organization that runs the validator.'),
    node: dnsLabel(NAME_LENGTH).optional().describe('Name of the QuorumNode, for an organization hosted here.'),
    address: address.optional().describe('Address of a validator that runs elsewhere.'),
    enode: enode.optional().describe('Enode of a validator that runs elsewhere.'),
  }),
  {
    rule: 'has(self.node) != has(self.address) && has(self.address) == has(self.enode)',
    message:
      'must be either {organization, node} for a node hosted here or {organization, address, enode} for a remote one',
    check: (self) =>
      (self.node !== undefined) !== (self.address !== undefined) &&
      (self.address === undefined) === (self.enode === undefined),
  },
);

const remote = z.strictObject({
  enodes: listSet(z.array(enode).max(64)).default([]).describe('Enodes of the organization.'),
  tesseraUrls: listSet(z.array(httpsUrl).max(64)).default([]).describe('URLs of its transaction managers.'),
  cidrs: listSet(z.array(cidr).max(64)).default([]).describe('Address ranges from which its nodes connect.'),
  caBundle: text(65536)
    .optional()
    .describe('PEM bundle of the CA that issues the certificates of its transaction managers.'),
});

const organization = rules(
  z.strictObject({
    name: dnsLabel(ORGANIZATION_NAME_LENGTH).describe('Name of the organization.'),
    namespace: rules(dnsLabel(), immutable('namespace', 'keys and data live there; add a new organization instead'), {
      rule: "!self.startsWith('kube-') && self != 'default'",
      message: 'namespace must belong to the organization alone: write a name other than default and kube-*',
      check: (self) => !self.startsWith('kube-') && self !== 'default',
    })
      .optional()
      .describe('Namespace of an organization hosted here; <consortium>-<organization> when absent.'),
    hosted: z.boolean().default(true).describe('Whether this cluster runs the nodes of the organization.'),
    jurisdictions: listSet(z.array(text(63).regex(/^[a-zA-Z0-9]([-a-zA-Z0-9_.]*[a-zA-Z0-9])?$/)).max(16))
      .optional()
      .describe("Regions (label topology.kubernetes.io/region) where the organization's data may be kept."),
    sla: z
      .strictObject({
        availability: text(8)
          .regex(/^(100|[0-9]{1,2}(\.[0-9]{1,4})?)$/)
          .describe('Share of time that its validators seal, in percent, for example "99.9".'),
      })
      .optional()
      .describe('The service level that the organization promised.'),
    contact: text(256).optional().describe('Whom to call.'),
    privacyPolicy: httpsUrl.optional().describe("Link to the organization's privacy policy."),
    remote: remote.optional().describe('How to reach an organization that runs elsewhere.'),
  }),
  {
    rule: 'self.hosted != has(self.remote)',
    message:
      'must have remote exactly when hosted is false: remote says how to reach an organization that runs elsewhere',
    check: (self) => self.hosted !== (self.remote !== undefined),
  },
  {
    rule: 'self.hosted || !has(self.__namespace__)',
    message: 'namespace is for organizations hosted here: remove it, or write hosted: true',
    check: (self) => self.hosted || self.namespace === undefined,
  },
  neverAddedOrRemoved('namespace', 'keys and data live there; add a new organization instead'),
);

const document = z.strictObject({
  url: httpsUrl.describe('Where the document is.'),
  sha256: sha256.describe('SHA-256 of the document, 64 hex digits.'),
  expires: date.optional().describe('Day until which it holds, YYYY-MM-DD.'),
});

const documents = z
  .strictObject({
    joining: document.optional().describe('Requirements for joining.'),
    governance: document.optional().describe('Governance.'),
    intellectualProperty: document.optional().describe('Ownership of intellectual property.'),
    liability: document.optional().describe('Liability.'),
    memberships: document.optional().describe('Memberships.'),
    activities: document.optional().describe('Activities.'),
  })
  .optional()
  .describe('Documents that the consortium agreed on.');

const attestation = z.strictObject({
  control: text(63)
    .regex(/^[a-z]+\.[-a-z0-9]+$/)
    .describe('Control of the checklist, for example tessera.allowlist-mfa.'),
  subject: text(63, 0).default('').describe('Organization that it is about; empty for the consortium.'),
  by: text(256).describe('Who attests.'),
  statement: text(1024).optional().describe('What is attested.'),
  url: httpsUrl.optional().describe('Link to the proof.'),
  date: date.describe('Day of the attestation, YYYY-MM-DD.'),
  expires: date.describe('Day after which it no longer counts, YYYY-MM-DD.'),
});

const issuerRef = z
  .strictObject({
    name: objectName.describe('Name of the issuer.'),
    kind: z.enum(['Issuer', 'ClusterIssuer']).default('Issuer').describe('Kind of the issuer.'),
    group: text(253).default('cert-manager.io').describe('API group of the issuer.'),
  })
  .optional()
  .describe("A cert-manager issuer that signs certificates instead of the organizations' own authorities.");

const specShape = z.strictObject({
  environment: environmentSchema.describe(
    'Production (default) or Development, which permits what a try-out needs; the checklist then shows Fail.',
  ),
  chainId: rules(
    integer(1, 4_503_599_627_370_476),
    {
      rule: 'self != 1',
      message:
        'chainId must not be 1, the Ethereum main network: a transaction signed here could be replayed there; choose a number of your own',
      check: (self) => self !== 1,
    },
    immutable('chainId', GENESIS_FIXED),
  ).describe('Chain id of the network, which signatures of public transactions cover.'),
  consensus,
  genesis,
  validators: listAtomic(z.array(validator).min(1).max(64)).describe(
    'The validators of the genesis, later the declared set, which votes bring about.',
  ),
  organizations: listMap(z.array(organization).min(1).max(64), 'name').describe('The members of the consortium.'),
  discovery: rules(z.enum(['Static', 'Enabled']), immutable('discovery', 'it is agreed on once for the consortium'))
    .default('Static')
    .describe('Static (default): nodes know each other by lists. Enabled: by the discovery protocol. Set once.'),
  issuerRef,
  documents,
  attestations: listMap(z.array(attestation).max(128), 'control', 'subject')
    .optional()
    .describe('Statements on what software cannot know.'),
  suspend: z.boolean().optional().describe('Stops reconciling while true; nothing is removed.'),
});

type Shape = z.output<typeof specShape>;

/** Faulty validators that n validators tolerate. */
const tolerated = (n: number) => Math.floor((n - 1) / 3);
const held = (self: Shape, name: string) => self.validators.filter((v) => v.organization === name).length;
const relaxed = (self: Shape) => self.environment === 'Development' || self.genesis.import !== undefined;

const specRules: Rule<Shape>[] = [
  {
    rule: "self.consensus.algorithm != 'Raft' || (self.environment == 'Development' && self.organizations.size() == 1)",
    message:
      'consensus.algorithm must be QBFT or IBFT: Raft lets a single faulty organization rewrite the chain, so it is for one organization in environment Development only',
    check: (self) =>
      self.consensus.algorithm !== 'Raft' || (self.environment === 'Development' && self.organizations.length === 1),
  },
  {
    rule: "self.environment == 'Development' || has(self.genesis.__import__) || self.validators.size() >= 4",
    message:
      'validators must be at least 4 outside environment Development: with fewer no fault is tolerated (n >= 3f + 1)',
    check: (self) => relaxed(self) || self.validators.length >= 4,
  },
  {
    rule: "self.environment == 'Development' || has(self.genesis.__import__) || self.organizations.all(o, self.validators.filter(v, v.organization == o.name).size() <= (self.validators.size() - 1) / 3)",
    message:
      'validators must be spread: no organization may hold more than f = floor((n - 1) / 3) of them outside environment Development, or it alone could halt the chain',
    check: (self) =>
      relaxed(self) || self.organizations.every((o) => held(self, o.name) <= tolerated(self.validators.length)),
  },
  {
    rule: 'self.validators.all(v, self.organizations.exists(o, o.name == v.organization))',
    message: 'validators[].organization must name an entry of organizations',
    check: (self) => self.validators.every((v) => self.organizations.some((o) => o.name === v.organization)),
  },
  {
    rule: 'self.validators.all(v, self.organizations.all(o, o.name != v.organization || o.hosted == has(v.node)))',
    message:
      'validators of an organization hosted here must be {organization, node}, those of a remote one {organization, address, enode}',
    check: (self) =>
      self.validators.every((v) =>
        self.organizations.every((o) => o.name !== v.organization || o.hosted === (v.node !== undefined)),
      ),
  },
  {
    rule: 'self.validators.all(v, self.validators.exists_one(w, w.organization == v.organization && (has(v.node) ? has(w.node) && w.node == v.node : has(w.address) && has(v.address) && w.address == v.address)))',
    message: 'validators must not name the same node twice',
    check: (self) => {
      const names = self.validators.map((v) => `${v.organization}/${v.node ?? v.address}`);
      return new Set(names).size === names.length;
    },
  },
  {
    rule: 'self.organizations.all(o, !has(o.__namespace__) || self.organizations.exists_one(p, has(p.__namespace__) && p.__namespace__ == o.__namespace__))',
    message: 'organizations must not share a namespace: give each one of its own',
    check: (self) => {
      const names = self.organizations.flatMap((o) => o.namespace ?? []);
      return new Set(names).size === names.length;
    },
  },
  {
    rule: 'has(self.genesis.__import__) || self.consensus.maxRequestTimeoutSeconds >= 5 * self.consensus.requestTimeoutSeconds',
    message:
      'consensus.maxRequestTimeoutSeconds must be at least five times requestTimeoutSeconds: below that, validators that lost each other may never meet in one round again',
    check: (self) =>
      self.genesis.import !== undefined ||
      self.consensus.maxRequestTimeoutSeconds >= 5 * self.consensus.requestTimeoutSeconds,
  },
  {
    rule: 'has(self.genesis.__import__) || self.consensus.requestTimeoutSeconds > self.consensus.blockPeriodSeconds',
    message:
      'consensus.requestTimeoutSeconds must be more than blockPeriodSeconds: otherwise each round times out before its block is due',
    check: (self) =>
      self.genesis.import !== undefined || self.consensus.requestTimeoutSeconds > self.consensus.blockPeriodSeconds,
  },
  {
    rule: 'has(self.genesis.__import__) || !has(self.consensus.emptyBlockPeriodSeconds) || self.consensus.emptyBlockPeriodSeconds <= self.consensus.requestTimeoutSeconds',
    message:
      'consensus.emptyBlockPeriodSeconds must not exceed requestTimeoutSeconds: an idle proposer would be voted out each round and the chain could halt; leave it out',
    check: (self) =>
      self.genesis.import !== undefined ||
      self.consensus.emptyBlockPeriodSeconds === undefined ||
      self.consensus.emptyBlockPeriodSeconds <= self.consensus.requestTimeoutSeconds,
  },
];

export const consortiumSpec = rules(specShape, ...specRules);

export const consortiumStatus = z.object({
  ...statusBase,
  genesis: z
    .object({
      sha256: sha256.describe('SHA-256 of the genesis.json that nodes are given.'),
      configHash: text(128).describe('Digest of the settings that must be equal at all nodes.'),
      chainId: integer(0, Number.MAX_SAFE_INTEGER).describe('Chain id of the genesis.'),
      hash: text(66).optional().describe('Hash of block 0 as nodes report it.'),
      verdicts: listAtomic(
        z
          .array(
            z.object({
              setting: text(256).describe('Path in genesis.json, such as config.qbft.maxRequestTimeoutSeconds.'),
              verdict: z
                .enum(['Safe', 'Risky', 'Fatal'])
                .describe(
                  'Safe; Risky: the network runs, but can halt, lose data or crash as the message says; Fatal: nodes refuse to start or never seal.',
                ),
              message: text(1024).describe('What to expect of the setting.'),
            }),
          )
          .max(64),
      )
        .optional()
        .describe(
          'What the operator thinks of the settings of an imported genesis, worst first. They are used as they are.',
        ),
    })
    .optional()
    .describe('The genesis that this network runs on.'),
  validators: listAtomic(
    z
      .array(
        z.object({
          organization: text(63).describe('Organization.'),
          node: text(63).optional().describe('QuorumNode, where hosted here.'),
          address: text(42).describe('Address of the validator.'),
          ready: z.boolean().describe('Whether it is ready, as far as known here.'),
        }),
      )
      .max(64),
  )
    .optional()
    .describe('The declared validators.'),
  organizations: listMap(
    z
      .array(
        z.object({
          name: text(63).describe('Organization.'),
          namespace: text(63).optional().describe('Its namespace, where hosted here.'),
          caNotAfter: text(64).optional().describe('When its certificate authority expires, RFC 3339.'),
        }),
      )
      .max(64),
    'name',
  )
    .optional()
    .describe('The organizations.'),
  certificates: certificateStatuses,
  summary: text(256).optional().describe('Members and nodes in one line.'),
});

/** A network of organizations: its genesis, consensus, members and their validators. */
export type ConsortiumSpec = z.output<typeof consortiumSpec>;
export type ConsortiumStatus = z.output<typeof consortiumStatus>;
export type Consortium = Resource<'Consortium', ConsortiumSpec, ConsortiumStatus>;

export const consortiumDefinition: KindDefinition = {
  resource: CONSORTIUMS,
  shortName: 'qc',
  description:
    'A Consortium is one GoQuorum network: its genesis and consensus, its organizations with their validators, and a namespace with a certificate authority for each organization hosted in this cluster.',
  spec: consortiumSpec,
  status: consortiumStatus,
  rules: [nameRule(CONSORTIUM_NAME_LENGTH)],
  columns: [
    { name: 'Chain', type: 'integer', jsonPath: '.spec.chainId', description: 'Chain id of the network.' },
    { name: 'Summary', type: 'string', jsonPath: '.status.summary', description: 'Members and nodes in one line.' },
  ],
};
