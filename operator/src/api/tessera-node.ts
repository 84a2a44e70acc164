import { z } from 'zod';
import {
  certificateStatuses,
  deletionPolicy,
  dnsLabel,
  httpsUrl,
  image,
  imagePinned,
  integer,
  listAtomic,
  listMap,
  localRef,
  membership,
  NAME_LENGTH,
  objectName,
  postgres,
  type Resource,
  resources,
  rules,
  statusBase,
  storage,
  text,
} from './common.ts';
import { type KindDefinition, nameRule } from './definition.ts';
import { TESSERANODES } from './resources.ts';

const sources = ['secretRef', 'hsmSealed', 'vault'] as const;

const key = rules(
  z.strictObject({
    name: dnsLabel(NAME_LENGTH).describe('Name of the key. The first key of the list is the default sender.'),
    secretRef: z
      .strictObject({
        name: objectName.describe('Name of the Secret, with keys `privateKey` and `publicKey`, both base64.'),
        generate: z.boolean().default(false).describe('Makes the key once if the Secret is missing.'),
      })
      .optional()
      .describe('A plain Secret. Development only.'),
    hsmSealed: z
      .strictObject({
        signerRef: localRef.describe('HsmSigner whose service token opens the key.'),
        secretRef: localRef.describe('Secret that holds the sealed key.'),
      })
      .optional()
      .describe("A key sealed by the organization's HSM and opened into memory only."),
    vault: z
      .strictObject({
        url: httpsUrl.describe('URL of the vault.'),
        secretEngine: text(128)
          .regex(/^[-a-zA-Z0-9_/]+$/)
          .describe('Mount path of the key/value engine.'),
        secretName: text(256)
          .regex(/^[-a-zA-Z0-9_/]+$/)
          .describe('Name of the secret in the engine.'),
        secretVersion: integer(0, 1_000_000).default(0).describe('Version of the secret; 0 is the newest.'),
        credentialsSecretRef: localRef.describe('Secret with the role id and secret id, keys `roleId` and `secretId`.'),
      })
      .optional()
      .describe('A key kept in a HashiCorp vault.'),
  }),
  {
    rule: '[has(self.secretRef), has(self.hsmSealed), has(self.vault)].filter(source, source).size() == 1',
    message: 'must have exactly one source: write one of secretRef, hsmSealed and vault',
    check: (self) => sources.filter((source) => self[source] !== undefined).length === 1,
  },
);

const database = rules(
  z.strictObject({
    embedded: z.strictObject({}).optional().describe("H2 on the node's volume. Development only."),
    postgres: postgres.optional().describe('A Postgres server, with verify-full.'),
  }),
  {
    rule: 'has(self.embedded) != has(self.postgres)',
    message: 'must have exactly one of embedded and postgres',
    check: (self) => (self.embedded !== undefined) !== (self.postgres !== undefined),
  },
).describe('Where payloads are kept.');

const specShape = z.strictObject({
  ...membership,
  image: image.optional().describe('Image of Tessera, by digest. Optional in Development only.'),
  keys: listMap(z.array(key).min(1).max(16), 'name').describe(
    'Keys of the transaction manager. Old ones stay listed, so that old payloads stay readable.',
  ),
  database,
  storage: storage('5Gi'),
  segment: z
    .enum(['Shared', 'Namespace'])
    .default('Shared')
    .describe("Shared (default): the organization's namespace. Namespace: one of its own."),
  resources,
  deletionPolicy,
});

export const tesseraNodeSpec = rules(
  specShape,
  ...imagePinned<z.output<typeof specShape>>('image', (self) => self.image),
  {
    rule: "self.environment == 'Development' || !has(self.database.embedded)",
    message: 'database.embedded is for environment Development: write database.postgres with a certificate',
    check: (self) => self.environment === 'Development' || self.database.embedded === undefined,
  },
  {
    rule: "self.environment == 'Development' || self.keys.all(k, !has(k.secretRef))",
    message:
      'keys[].secretRef keeps a private key in a plain Secret, so it is for environment Development: write hsmSealed or vault',
    check: (self) => self.environment === 'Development' || self.keys.every((k) => k.secretRef === undefined),
  },
);

export const tesseraNodeStatus = z.object({
  ...statusBase,
  certificates: certificateStatuses,
  url: text(512).optional().describe('URL by which other transaction managers reach this one.'),
  publicKeys: listAtomic(z.array(text(64)).max(16))
    .optional()
    .describe('Public keys, base64, in the order of spec.keys.'),
  image: text(512).optional().describe('Image of the running manager.'),
  digest: text(128).optional().describe('Digest of the running image.'),
});

/** One Tessera transaction manager. */
export type TesseraNodeSpec = z.output<typeof tesseraNodeSpec>;
export type TesseraNodeStatus = z.output<typeof tesseraNodeStatus>;
export type TesseraNode = Resource<'TesseraNode', TesseraNodeSpec, TesseraNodeStatus>;

export const tesseraNodeDefinition: KindDefinition = {
  resource: TESSERANODES,
  shortName: 'tn',
  description:
    'A TesseraNode is one Tessera transaction manager with its keys and its database, in pods and network policies of its own.',
  spec: tesseraNodeSpec,
  status: tesseraNodeStatus,
  rules: [nameRule(NAME_LENGTH)],
  columns: [
    {
      name: 'Key',
      type: 'string',
      jsonPath: '.status.publicKeys[0]',
      description: 'Public key of the default sender.',
    },
    { name: 'Url', type: 'string', jsonPath: '.status.url', description: 'URL by which others reach it.', priority: 1 },
  ],
};
