import { z } from 'zod';
import type { ObjectMeta } from '../kube/types.ts';

/**
 * Building blocks of the four kinds. Every string, list and map is bounded: the API server estimates the cost of a CEL
 * rule from these bounds and refuses the CRD when they are missing. Patterns must mean the same in RE2 and JavaScript.
 */

/** A CEL rule of the CRD together with the same rule for zod; a rule that compares with `oldSelf` has no `check`. */
export interface Rule<T> {
  /** CEL expression over `self` (and `oldSelf`). */
  readonly rule: string;
  /** What a person must write instead. */
  readonly message: string;
  /** The same rule in TypeScript, so that manifests are checked without an API server. */
  readonly check?: (self: T) => boolean;
  /** Kubernetes' machine-readable reason; `FieldValueInvalid` unless told. (`FieldValueDuplicate` would swallow the message.) */
  readonly reason?: 'FieldValueForbidden' | 'FieldValueRequired';
}

/** Attaches rules to a schema: to the CRD by metadata, to zod by refinement. Attach before `.optional()` or defaults. */
export function rules<S extends z.ZodType>(schema: S, ...list: Rule<z.output<S>>[]): S {
  let checked: z.ZodType = schema;
  for (const { check, message } of list) {
    if (check !== undefined) checked = checked.refine((value) => check(value as z.output<S>), { message });
  }
  const known = (z.globalRegistry.get(schema)?.['x-kubernetes-validations'] ?? []) as object[];
  const validations = list.map(({ check: _check, ...validation }) => validation);
  return checked.meta({ 'x-kubernetes-validations': [...known, ...validations] }) as S;
}

/** A rule for a value that never changes; `what` names the field, `instead` says what to do. */
export function immutable<T>(what: string, instead: string): Rule<T> {
  return { rule: 'self == oldSelf', message: `${what} cannot be changed: ${instead}`, reason: 'FieldValueForbidden' };
}

/**
 * A field's name as CEL calls it. Reserved words are escaped: unescaped they are found as well, but the API server's cost
 * estimate then takes them for unbounded.
 */
export function celField(name: string): string {
  return ['namespace', 'import', 'package', 'function', 'const', 'in', 'as'].includes(name) ? `__${name}__` : name;
}

/** The parent's half of immutability: an optional field can be neither added nor removed. */
export function neverAddedOrRemoved<T>(field: string, instead: string): Rule<T> {
  return {
    rule: `has(self.${celField(field)}) == has(oldSelf.${celField(field)})`,
    message: `${field} can be neither added nor removed: ${instead}`,
    reason: 'FieldValueForbidden',
  };
}

/** A list whose entries are told apart by `keys`: the API server refuses duplicates and merges entry by entry. */
export function listMap<S extends z.ZodArray>(schema: S, ...keys: string[]): S {
  const identity = (entry: unknown) => JSON.stringify(keys.map((key) => (entry as Record<string, unknown>)[key]));
  return schema
    .refine((list) => new Set(list.map(identity)).size === list.length, {
      message: `must not hold two entries with the same ${keys.join(' and ')}`,
    })
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': keys }) as S;
}

/** A list that has one owner and is replaced as a whole. */
export function listAtomic<S extends z.ZodArray>(schema: S): S {
  return schema.meta({ 'x-kubernetes-list-type': 'atomic' }) as S;
}

/** A list of scalars without duplicates. */
export function listSet<S extends z.ZodArray>(schema: S): S {
  return schema
    .refine((list) => new Set(list).size === list.length, { message: 'must not hold the same value twice' })
    .meta({ 'x-kubernetes-list-type': 'set' }) as S;
}

/** An integer; int64 in the CRD where 32 bits do not hold it. */
export function integer(minimum: number, maximum: number): z.ZodNumber {
  return z
    .int()
    .min(minimum)
    .max(maximum)
    .meta({ format: maximum > 2 ** 31 - 1 || minimum < -(2 ** 31) ? 'int64' : 'int32' });
}

/** Text of bounded length. */
export function text(maxLength: number, minLength = 1): z.ZodString {
  return z.string().min(minLength).max(maxLength);
}

/** A lower-case DNS label. The bound leaves room for the suffixes of child objects and the hash of a StatefulSet's pods. */
export function dnsLabel(maxLength = 63): z.ZodString {
  return text(maxLength).regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/);
}

/** Longest name of a QuorumNode, TesseraNode or HsmSigner. */
export const NAME_LENGTH = 40;
/** Longest name of a Consortium and of an organization; together with a hyphen they make a namespace's name. */
export const CONSORTIUM_NAME_LENGTH = 32;
export const ORGANIZATION_NAME_LENGTH = 30;

export const objectName = text(253).regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/);
export const dataKey = text(253).regex(/^[-._a-zA-Z0-9]+$/);

export const address = text(42, 42).regex(/^0x[0-9a-fA-F]{40}$/);
export const sha256 = text(64, 64).regex(/^[0-9a-f]{64}$/);
export const enode = text(300).regex(
  /^enode:\/\/[0-9a-f]{128}@[0-9a-zA-Z.:[\]-]{1,128}:[0-9]{1,5}(\?(discport|raftport)=[0-9]{1,5})?$/,
);
export const cidr = text(43).regex(/^[0-9a-fA-F.:]+\/[0-9]{1,3}$/);
export const httpsUrl = text(512).regex(/^https:\/\/[^\s@/?#]+(:[0-9]{1,5})?(\/[^\s@]*)?$/);
export const date = text(10, 10).regex(/^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$/);
export const quantity = text(24).regex(/^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$/);

export const environmentSchema = rules(
  z.enum(['Production', 'Development']),
  immutable('environment', 'create a new resource for another environment'),
).default('Production');

export const image = text(512).regex(/^[a-z0-9][-a-zA-Z0-9._/:]*(@sha256:[0-9a-f]{64})?$/);

/** Rules by which images are pinned outside Development; for a parent that holds `environment` and the path `field`. */
export function imagePinned<T extends { environment: string }>(
  field: string,
  get: (self: T) => string | undefined,
): Rule<T>[] {
  const present = field
    .split('.')
    .map((_, index, parts) => `has(self.${parts.slice(0, index + 1).join('.')})`)
    .join(' && ');
  return [
    {
      rule: `self.environment == 'Development' || (${present})`,
      message: `${field} must be set: only environment Development has a default image; write <registry>/<name>:<tag>@sha256:<digest>`,
      check: (self) => self.environment === 'Development' || get(self) !== undefined,
      reason: 'FieldValueRequired',
    },
    {
      rule: `self.environment == 'Development' || !(${present}) || self.${field}.contains('@sha256:')`,
      message: `${field} must be pinned by digest outside environment Development: write <registry>/<name>:<tag>@sha256:<digest>`,
      check: (self) => self.environment === 'Development' || (get(self)?.includes('@sha256:') ?? true),
    },
  ];
}

export const localRef = z.strictObject({ name: objectName.describe('Name of the object, in the same namespace.') });

/** Fields that every namespaced kind starts with. */
export const membership = {
  consortiumRef: rules(
    z.strictObject({ name: dnsLabel(CONSORTIUM_NAME_LENGTH).describe('Name of the Consortium.') }),
    immutable('consortiumRef', 'delete this resource and create it in the other consortium'),
  ).describe('The Consortium that this resource belongs to.'),
  organization: rules(
    dnsLabel(ORGANIZATION_NAME_LENGTH),
    immutable('organization', "create the resource in the other organization's namespace"),
  ).describe(
    'The organization that owns this resource; must be listed in the Consortium and hosted in this namespace.',
  ),
  environment: environmentSchema.describe(
    'Production (default) or Development; must equal that of the Consortium. Development permits what a try-out needs, and the checklist then shows Fail.',
  ),
};

export const deletionPolicy = z
  .enum(['Retain', 'Delete'])
  .default('Retain')
  .describe(
    'What happens to keys and volumes when this resource is deleted: Retain (default) keeps them, Delete destroys them for good.',
  );

/** Storage of one volume; `size` is its default. */
export function storage(size: string) {
  return rules(
    z.strictObject({
      size: rules(quantity, {
        rule: 'quantity(self).compareTo(quantity(oldSelf)) >= 0',
        message: 'size must not shrink: volumes only grow; keep the old size or write a larger one',
      })
        .default(size)
        .describe('Size of the volume, a Kubernetes quantity such as 10Gi. It may grow and never shrinks.'),
      storageClassName: rules(
        objectName,
        immutable('storageClassName', 'a volume keeps its storage class; create a new resource'),
      )
        .optional()
        .describe("StorageClass of the volume; the cluster's default when absent."),
    }),
    neverAddedOrRemoved('storageClassName', 'a volume keeps its storage class; create a new resource'),
  )
    .prefault({})
    .describe('The volume that holds the data.');
}

const amounts = z.strictObject({
  cpu: quantity.optional().describe('CPU, for example "500m" or "2".'),
  memory: quantity.optional().describe('Memory, for example 2Gi.'),
});

export const resources = z
  .strictObject({
    requests: amounts.optional().describe('What the scheduler reserves.'),
    limits: amounts.optional().describe('What the container may use at most.'),
  })
  .optional()
  .describe('CPU and memory of the main container.');

export const issuer = rules(
  z.strictObject({
    issuer: text(512)
      .regex(/^[^\s]+$/)
      .describe('The `iss` claim of the tokens, usually an https URL.'),
    audience: text(256)
      .optional()
      .describe('The `aud` claim that tokens must carry; quorum-operator:<consortium>:<organization> when absent.'),
    jwks: text(65536).optional().describe('The public keys, as the text of a JWK Set. Rotate by editing it.'),
    jwksConfigMapRef: z
      .strictObject({
        name: objectName.describe('Name of the ConfigMap, in the same namespace.'),
        key: dataKey.default('jwks.json').describe('Key in the ConfigMap.'),
      })
      .optional()
      .describe('ConfigMap that holds the public keys as a JWK Set; followed when it changes.'),
  }),
  {
    rule: 'has(self.jwks) != has(self.jwksConfigMapRef)',
    message: 'must have exactly one source of keys: write either jwks or jwksConfigMapRef',
    check: (self) => (self.jwks !== undefined) !== (self.jwksConfigMapRef !== undefined),
  },
);

/** Token issuers, told apart by `iss`. */
export const issuers = listMap(z.array(issuer).max(16), 'issuer')
  .default([])
  .describe('Who may issue tokens to users, and the public keys that prove it.');

export const postgres = rules(
  z.strictObject({
    host: rules(text(253), {
      rule: "self.matches('^[a-zA-Z0-9]([-a-zA-Z0-9.]*[a-zA-Z0-9])?$')",
      message:
        'host must be a host name alone, not a connection string: port, name and user have fields of their own, and the password belongs in the Secret of passwordSecretRef',
      check: (self) => /^[a-zA-Z0-9]([-a-zA-Z0-9.]*[a-zA-Z0-9])?$/.test(self),
    }).describe('Host name of the server; its certificate must carry it (verify-full).'),
    port: integer(1, 65535).default(5432).describe('TCP port.'),
    name: text(63)
      .regex(/^[a-zA-Z_][-a-zA-Z0-9_]*$/)
      .describe('Name of the database.'),
    user: text(63)
      .regex(/^[a-zA-Z_][-a-zA-Z0-9_]*$/)
      .describe('Database user. A client certificate carries it as common name.'),
    caConfigMapRef: z
      .strictObject({
        name: objectName.describe('Name of the ConfigMap.'),
        key: dataKey.default('ca.crt').describe('Key in the ConfigMap.'),
      })
      .optional()
      .describe("ConfigMap with the CA of the server's certificate; the organization's CA when absent."),
    passwordSecretRef: z
      .strictObject({
        name: objectName.describe('Name of the Secret.'),
        key: dataKey.default('password').describe('Key in the Secret.'),
      })
      .optional()
      .describe('Secret with the password, in the same namespace.'),
    certificate: z
      .strictObject({
        secretRef: localRef
          .optional()
          .describe("kubernetes.io/tls Secret; the operator issues one from the organization's CA when absent."),
      })
      .optional()
      .describe('Authenticates by client certificate. Preferred.'),
  }),
  {
    rule: 'has(self.passwordSecretRef) != has(self.certificate)',
    message: 'must authenticate in exactly one way: write either certificate or passwordSecretRef',
    check: (self) => (self.passwordSecretRef !== undefined) !== (self.certificate !== undefined),
  },
);

export const conditionSchema = z.object({
  type: text(316)
    .regex(/^[A-Za-z][A-Za-z0-9]*$/)
    .describe('Name of the condition, for example Ready.'),
  status: z.enum(['True', 'False', 'Unknown']).describe('Whether the condition holds.'),
  observedGeneration: integer(0, Number.MAX_SAFE_INTEGER)
    .optional()
    .describe('The generation of spec that this says something about.'),
  lastTransitionTime: text(64).meta({ format: 'date-time' }).describe('When status changed last.'),
  reason: text(1024)
    .regex(/^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$/)
    .describe('Why, in one CamelCase word that a runbook explains.'),
  message: text(32768, 0).describe('Why, for people: what is wrong, where, and what to do.'),
});

/** A condition by Kubernetes' conventions. Times are RFC 3339. */
export type Condition = z.output<typeof conditionSchema>;

/** Fields that every status starts with. */
export const statusBase = {
  observedGeneration: integer(-1, Number.MAX_SAFE_INTEGER)
    .optional()
    .describe('The generation of spec that this status is about; -1 until the operator has seen the resource.'),
  conditions: listMap(z.array(conditionSchema).max(32), 'type')
    .optional()
    .describe('Ready, Reconciling, Stalled and what they rest on.'),
};

/** When certificates expire, in the status of each kind. */
export const certificateStatuses = listMap(
  z
    .array(
      z.object({
        name: text(317).describe('The Secret that holds it; with its namespace in front where that is another one.'),
        notAfter: text(64).meta({ format: 'date-time' }).describe('When it expires, RFC 3339.'),
        renewAt: text(64)
          .meta({ format: 'date-time' })
          .optional()
          .describe('When it is replaced, where the operator does that by age.'),
      }),
    )
    .max(256),
  'name',
)
  .optional()
  .describe('The certificates that this resource rests on.');

/** A custom resource as the API server returns it, defaults applied. */
export type Resource<Kind extends string, Spec, Status> = {
  apiVersion: string;
  kind: Kind;
  metadata: ObjectMeta;
  spec: Spec;
  status?: Status;
};
