import { z } from 'zod';
import {
  certificateStatuses,
  deletionPolicy,
  dnsLabel,
  image,
  imagePinned,
  immutable,
  integer,
  issuers,
  listMap,
  localRef,
  membership,
  NAME_LENGTH,
  neverAddedOrRemoved,
  postgres,
  type Resource,
  rules,
  statusBase,
  storage,
  text,
} from './common.ts';
import { type KindDefinition, nameRule } from './definition.ts';
import { HSMSIGNERS } from './resources.ts';

const SAME_TOKEN = 'the keys live in that token; create another HsmSigner for another token';

const module = z
  .strictObject({
    image: image
      .optional()
      .describe(
        'Image that holds the PKCS#11 module, by digest. Optional in Development only, where SoftHSM is the default.',
      ),
    path: text(256)
      .regex(/^(\/[-a-zA-Z0-9._+]+)+$/)
      .default('/usr/lib/softhsm/libsofthsm2.so')
      .describe('Path of the module in the image.'),
  })
  .prefault({})
  .describe('The PKCS#11 module.');

const token = rules(
  z.strictObject({
    label: rules(text(32).regex(/^[-a-zA-Z0-9._ ]+$/), immutable('token.label', SAME_TOKEN))
      .optional()
      .describe('Label of the token; the name of this HsmSigner when absent.'),
    pinSecretRef: localRef
      .optional()
      .describe(
        'Secret with keys `so-pin`, `service-pin` and `account-pin`. Optional in Development with SoftHSM, where PINs are generated.',
      ),
  }),
  neverAddedOrRemoved('label', SAME_TOKEN),
)
  .prefault({})
  .describe('The token that holds the keys.');

const signerKey = z.strictObject({
  name: dnsLabel(NAME_LENGTH).describe('Name of the key, by which users and policies call the account.'),
  label: text(63)
    .regex(/^[-a-zA-Z0-9._ ]+$/)
    .optional()
    .describe('Label of the key in the token; the name when absent.'),
});

const kinds = ['provision', 'postgres', 'embedded'] as const;

const database = rules(
  z.strictObject({
    provision: z
      .strictObject({
        image: image.optional().describe("Image of Postgres; the operator's default when absent."),
        storage: storage('5Gi'),
      })
      .optional()
      .describe('The operator runs a Postgres. Development only.'),
    postgres: postgres.optional().describe('A Postgres server, with verify-full.'),
    embedded: z
      .strictObject({})
      .optional()
      .describe("An embedded Postgres on the node's volume, for a signer that one node carries."),
  }),
  {
    rule: '[has(self.provision), has(self.postgres), has(self.embedded)].filter(kind, kind).size() == 1',
    message: 'must have exactly one of provision, postgres and embedded',
    check: (self) => kinds.filter((kind) => self[kind] !== undefined).length === 1,
  },
)
  .default({ embedded: {} })
  .describe('Where users, nonces and the audit log are kept; shared by all nodes that carry this signer.');

const specShape = z.strictObject({
  ...membership,
  module,
  token,
  keys: listMap(z.array(signerKey).min(1).max(16), 'name')
    .default([{ name: 'default' }])
    .describe('Accounts of the organization; one key each, made in the token and never leaving it.'),
  issuers,
  database,
  placement: z
    .enum(['Sidecar', 'Deployment'])
    .default('Sidecar')
    .describe(
      "Sidecar (default): signs in the nodes' pods. Deployment: in pods of its own, so that no path leads from a node's pod to HSM and database.",
    ),
  deletionPolicy,
});

export const hsmSignerSpec = rules(
  specShape,
  ...imagePinned<z.output<typeof specShape>>('module.image', (self) => self.module.image),
  {
    rule: "self.environment == 'Development' || !self.module.path.contains('softhsm')",
    message:
      "module.path must lead to your HSM's PKCS#11 library: SoftHSM keeps keys in files, so it is for environment Development",
    check: (self) => self.environment === 'Development' || !self.module.path.includes('softhsm'),
  },
  {
    rule: "self.environment == 'Development' || has(self.token.pinSecretRef)",
    message:
      'token.pinSecretRef must be set outside environment Development: name a Secret with keys so-pin, service-pin and account-pin',
    check: (self) => self.environment === 'Development' || self.token.pinSecretRef !== undefined,
    reason: 'FieldValueRequired',
  },
  {
    rule: "self.environment == 'Development' || !has(self.database.provision)",
    message:
      'database.provision is for environment Development: write database.postgres and name a server that is replicated and backed up',
    check: (self) => self.environment === 'Development' || self.database.provision === undefined,
  },
);

export const hsmSignerStatus = z.object({
  ...statusBase,
  certificates: certificateStatuses,
  accounts: listMap(
    z
      .array(
        z.object({
          name: text(63).describe('Name of the key in spec.keys.'),
          address: text(42).describe('Address of the account.'),
          publicKey: text(132).describe('Public key, uncompressed, hex with 0x04.'),
          keyId: text(128).describe('CKA_ID of the key, hex.'),
        }),
      )
      .max(16),
    'name',
  )
    .optional()
    .describe('The accounts whose keys are in the token.'),
  token: z
    .object({
      label: text(32).describe('Label of the token.'),
      serial: text(32).describe('Serial number of the token.'),
    })
    .optional()
    .describe('The token that was found or made.'),
  database: z
    .object({
      kind: z.enum(['Provision', 'Postgres', 'Embedded']).describe('Which kind of database is used.'),
      host: text(253).optional().describe('Host name of the server.'),
      port: integer(1, 65535).optional().describe('TCP port of the server.'),
      name: text(63).optional().describe('Name of the database.'),
      ready: z.boolean().optional().describe('Whether the server is ready, where the operator runs it.'),
    })
    .optional()
    .describe('The database in use.'),
});

/** The signer of an organization. */
export type HsmSignerSpec = z.output<typeof hsmSignerSpec>;
export type HsmSignerStatus = z.output<typeof hsmSignerStatus>;
export type HsmSigner = Resource<'HsmSigner', HsmSignerSpec, HsmSignerStatus>;

export const hsmSignerDefinition: KindDefinition = {
  resource: HSMSIGNERS,
  shortName: 'hsm',
  description:
    'An HsmSigner is the signer of an organization: a PKCS#11 module and token, the accounts whose keys were made in it, and who may use them. Nodes that name it sign at their door.',
  spec: hsmSignerSpec,
  status: hsmSignerStatus,
  rules: [nameRule(NAME_LENGTH)],
  columns: [
    {
      name: 'Account',
      type: 'string',
      jsonPath: '.status.accounts[0].address',
      description: 'Address of the first account.',
    },
    {
      name: 'Token',
      type: 'string',
      jsonPath: '.status.token.serial',
      description: 'Serial number of the token.',
      priority: 1,
    },
  ],
};
