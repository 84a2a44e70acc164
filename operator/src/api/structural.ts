import { z } from 'zod';

/** A node of a Kubernetes structural schema. Only these keywords exist; anything else zod might emit is an error. */
export interface StructuralSchema {
  description?: string;
  type: 'object' | 'array' | 'string' | 'integer' | 'boolean';
  format?: string;
  enum?: unknown[];
  default?: unknown;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  pattern?: string;
  minItems?: number;
  maxItems?: number;
  maxProperties?: number;
  properties?: Record<string, StructuralSchema>;
  required?: string[];
  additionalProperties?: StructuralSchema;
  items?: StructuralSchema;
  'x-kubernetes-list-type'?: 'atomic' | 'set' | 'map';
  'x-kubernetes-list-map-keys'?: string[];
  'x-kubernetes-validations'?: { rule: string; message: string; reason?: string }[];
}

/** Allowed keywords, in the order in which they are written. */
const KEYWORDS = [
  'description',
  'type',
  'format',
  'enum',
  'default',
  'minimum',
  'maximum',
  'minLength',
  'maxLength',
  'pattern',
  'minItems',
  'maxItems',
  'maxProperties',
  'x-kubernetes-list-type',
  'x-kubernetes-list-map-keys',
  'required',
  'properties',
  'additionalProperties',
  'items',
  'x-kubernetes-validations',
] as const;

const FORMATS = new Set(['int32', 'int64', 'date-time']);

type Json = Record<string, unknown>;

/**
 * Turns a zod schema into a structural schema as a user writes it (defaulted fields are optional).
 * @throws Error naming the path of a keyword, a missing bound or a format that a CRD cannot have.
 */
export function structuralSchema(schema: z.ZodType, path: string): StructuralSchema {
  const json = z.toJSONSchema(schema, {
    target: 'openapi-3.0',
    io: 'input',
    reused: 'inline',
    cycles: 'throw',
    unrepresentable: 'throw',
  });
  return convert(json as Json, path);
}

function convert(source: Json, path: string): StructuralSchema {
  const node = withoutZodOnlyKeywords(source);
  for (const keyword of Object.keys(node)) {
    if (!(KEYWORDS as readonly string[]).includes(keyword)) {
      throw new Error(`${path}: keyword ${keyword} does not exist in a structural schema; express it by other means`);
    }
  }
  assertBounded(node, path);
  const result: Json = {};
  for (const keyword of KEYWORDS) {
    if (node[keyword] === undefined) continue;
    result[keyword] = convertKeyword(keyword, node[keyword], path);
  }
  return result as unknown as StructuralSchema;
}

function convertKeyword(keyword: string, value: unknown, path: string): unknown {
  if (keyword === 'properties') {
    return Object.fromEntries(
      Object.entries(value as Json).map(([key, child]) => [key, convert(child as Json, `${path}.${key}`)]),
    );
  }
  if (keyword === 'items') return convert(value as Json, `${path}[]`);
  if (keyword === 'additionalProperties') return convert(value as Json, `${path}.*`);
  return value;
}

/** The API server prunes or refuses unknown fields by itself, and keys of a map are always strings. */
function withoutZodOnlyKeywords(source: Json): Json {
  const { $schema: _schema, ...node } = source;
  if (node.additionalProperties === false) delete node.additionalProperties;
  if (JSON.stringify(node.propertyNames) === '{"type":"string"}') delete node.propertyNames;
  if (Array.isArray(node.required) && node.required.length === 0) delete node.required;
  if (node.type === 'object' && node.additionalProperties !== undefined && JSON.stringify(node.properties) === '{}') {
    delete node.properties;
  }
  return node;
}

/** Without bounds on every level the API server's cost estimate of CEL rules has no end. */
function assertBounded(node: Json, path: string): void {
  const missing = (keyword: string) => new Error(`${path}: a ${node.type} must have ${keyword}`);
  if (typeof node.type !== 'string') throw new Error(`${path}: must have one type`);
  if (node.format !== undefined && !FORMATS.has(node.format as string)) {
    throw new Error(`${path}: format ${String(node.format)} is unknown to Kubernetes; use a pattern`);
  }
  if (node.type === 'string' && node.enum === undefined && node.maxLength === undefined) throw missing('maxLength');
  if (node.type === 'array' && node.maxItems === undefined) throw missing('maxItems');
  if (node.type === 'array' && node['x-kubernetes-list-type'] === undefined) throw missing('x-kubernetes-list-type');
  if (node.additionalProperties !== undefined && node.maxProperties === undefined) throw missing('maxProperties');
  if (node.type === 'integer' && (node.minimum === undefined || node.maximum === undefined)) {
    throw missing('minimum and maximum');
  }
  if (node.type === 'integer' && node.format === undefined) throw missing('a format, int32 or int64');
  if (node.type === 'number')
    throw new Error(`${path}: numbers with fractions are not portable; use an integer or a string`);
}
