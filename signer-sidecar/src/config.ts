/**
 * The configuration of the door (`door.json`), written by the operator into an immutable Secret and read once at start.
 * The operator's builders import the type, and validate what they build against the schema in their tests.
 */
import { readFileSync } from 'node:fs';
import { z } from 'zod';

const port = z.int().min(0).max(65535);
const path = z.string().min(1);
const address = z.string().regex(/^0x[0-9a-fA-F]{40}$/, 'must be an address: 0x and 40 hex digits');

const listener = (defaultPort: number) =>
  z.strictObject({ host: z.string().min(1).default('0.0.0.0'), port: port.default(defaultPort) }).prefault({});

/** One public key of an issuer (RFC 7517). Members beyond the ones checked here are kept as they are. */
const jsonWebKey = z.looseObject({
  kty: z.enum(['EC', 'RSA', 'OKP'], 'must be EC, RSA or OKP: symmetric keys (oct) are never accepted'),
  kid: z.string().optional(),
  alg: z.string().optional(),
});

const issuer = z.strictObject({
  issuer: z.string().min(1),
  /** What `aud` of a token must contain: `quorum-operator:<consortium>:<organization>`. */
  audience: z.string().min(1),
  jwks: z.looseObject({ keys: z.array(jsonWebKey) }),
});

/** Options of the HSM client; mirrors HsmOptions in hsm/client.ts. */
const hsmOptions = z.strictObject({
  modulePath: path,
  tokenLabel: z.string().min(1).max(32),
  tokenSerial: z.string().max(16),
  /** File that holds the PIN of the account token; read by the HSM child process only. */
  pinFile: path,
  sessions: z.int().min(1).max(1024).default(4),
  /** Deadline of one signature, milliseconds. */
  signTimeoutMs: z.int().min(10).max(60_000).default(5_000),
  /** Development only: where the packed SoftHSM token is, and the memory folder it is unpacked to. */
  softhsm: z.strictObject({ archiveFile: path, directory: path }).optional(),
});

const database = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('postgres'),
    host: z.string().min(1),
    port: port.default(5432),
    database: z.string().min(1),
    user: z.string().min(1),
    /** TLS is always verify-full; the files are read again at each connection. */
    caFile: path,
    certFile: path,
    keyFile: path,
  }),
  z.strictObject({ kind: z.literal('embedded'), directory: path }),
]);

const signer = z.strictObject({
  name: z.string().min(1),
  accounts: z.array(z.strictObject({ name: z.string().min(1), address, keyId: z.string().min(1) })).min(1),
  hsm: hsmOptions,
  database,
  /** The organization's other signing doors. */
  peers: z.array(z.strictObject({ name: z.string().min(1), url: z.url() })).default([]),
});

export const doorConfigSchema = z.strictObject({
  node: z.strictObject({
    name: z.string().min(1),
    namespace: z.string().min(1),
    organization: z.string().min(1),
    consortium: z.string().min(1),
    role: z.enum(['Validator', 'Member']),
  }),
  chain: z.strictObject({
    /** Not 1: GoQuorum takes EIP-155 signatures for chain id 1 (v 37, 38) for private transactions. */
    chainId: z.int().min(2),
    /** sha256 of genesis.json and the hash of its configuration: accounts are bound to both. */
    genesisSha256: z.string().min(1),
    configHash: z.string().min(1),
  }),
  listen: z.strictObject({ door: listener(8443), ops: listener(9443), probes: listener(8080) }).prefault({}),
  tls: z.strictObject({ certFile: path, keyFile: path, organizationCaFile: path, operatorCaFile: path }),
  /** geth on loopback. */
  upstream: z
    .strictObject({
      http: z.url().default('http://127.0.0.1:8545'),
      ws: z.url().default('ws://127.0.0.1:8546'),
      metrics: z.url().default('http://127.0.0.1:6060/debug/metrics/prometheus'),
    })
    .prefault({}),
  issuers: z.array(issuer).default([]),
  cors: z.strictObject({ origins: z.array(z.string()).default([]) }).prefault({}),
  limits: z
    .strictObject({
      /** Sustained requests a second of one subject. */
      requestsPerSecond: z.number().positive().default(200),
      burst: z.int().min(1).default(400),
      /** Requests in flight at this door. */
      concurrency: z.int().min(1).default(256),
      maxBodyBytes: z.int().min(1024).default(5_242_880),
      maxBatch: z.int().min(1).default(100),
    })
    .prefault({}),
  logging: z
    .strictObject({ level: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info') })
    .prefault({}),
  /** The neighbours in the pod whose process facts are served on the ops port, told apart by uid. */
  evidence: z
    .strictObject({
      processes: z
        .array(z.strictObject({ container: z.string().min(1), uid: z.int().min(0), command: z.string().optional() }))
        .default([]),
    })
    .prefault({}),
  /** Absent: the door of a node that does not sign. */
  signer: signer.optional(),
});

/** The configuration with all defaults filled in. */
export type DoorConfig = z.infer<typeof doorConfigSchema>;
/** What door.json may look like: everything with a default is optional. */
export type DoorConfigInput = z.input<typeof doorConfigSchema>;
export type SignerConfig = NonNullable<DoorConfig['signer']>;
export type DatabaseConfig = SignerConfig['database'];

/** A configuration that cannot be used. The message says what is wrong, in which file and field, and what to do. */
export class ConfigError extends Error {
  override name = 'ConfigError';
}

/** Validates a parsed configuration; `where` names it in errors. */
export function parseDoorConfig(input: unknown, where: string): DoorConfig {
  const result = doorConfigSchema.safeParse(input);
  if (result.success) return result.data;
  const faults = result.error.issues.map((issue) => `${issue.path.join('.') || '(top level)'}: ${issue.message}`);
  throw new ConfigError(
    `${where} is not a valid door configuration: ${faults.join('; ')}. ` +
      'The operator writes this file; if it was edited by hand, delete the Secret and let the operator write it again.',
  );
}

/** Reads and validates door.json. Values of the file never appear in the error, only field names. */
export function readDoorConfig(file: string): DoorConfig {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError(
      `cannot read the door configuration ${file}: ${(error as NodeJS.ErrnoException).code ?? error}. ` +
        'Check that the Secret is mounted there and readable by this uid, or give another file with --config.',
    );
  }
  let input: unknown;
  try {
    input = JSON.parse(text);
  } catch {
    throw new ConfigError(
      `${file} is not JSON. The operator writes this file; delete the Secret to have it rewritten.`,
    );
  }
  return parseDoorConfig(input, file);
}
