import fc from 'fast-check';
import type { StructuralSchema } from './structural.ts';

/** Values that a schema describes, spiced with some that it does not. */
export function arbitrary(schema: StructuralSchema): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 12, arbitrary: described(schema) }, { weight: 1, arbitrary: wrong(schema) });
}

function described(schema: StructuralSchema): fc.Arbitrary<unknown> {
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  switch (schema.type) {
    case 'boolean':
      return fc.boolean();
    case 'integer':
      return fc.oneof(
        fc.integer({ min: schema.minimum!, max: Math.min(schema.maximum!, schema.minimum! + 100) }),
        fc.integer({ min: schema.minimum!, max: schema.maximum! }),
      );
    case 'string':
      return text(schema);
    case 'array':
      return list(schema);
    case 'object':
      return schema.additionalProperties === undefined ? object(schema) : map(schema);
  }
}

/** Now and then with an entry twice, which lists with keys and sets refuse. */
function list(schema: StructuralSchema): fc.Arbitrary<unknown> {
  const entries = fc.array(arbitrary(schema.items!), {
    minLength: schema.minItems ?? 0,
    maxLength: Math.min(schema.maxItems!, 3),
  });
  const twice = arbitrary(schema.items!).map((entry) => [entry, entry]);
  return fc.oneof({ weight: 5, arbitrary: entries }, { weight: 1, arbitrary: twice });
}

function text({ pattern, minLength = 0, maxLength }: StructuralSchema): fc.Arbitrary<string> {
  // Printable ASCII: beyond it the API server counts code points where JavaScript counts UTF-16 units.
  const free = fc.string({ unit: 'grapheme-ascii', minLength, maxLength: Math.min(maxLength!, minLength + 20) });
  if (pattern === undefined) return free;
  return fc
    .stringMatching(new RegExp(pattern))
    .filter((value) => /^[\x20-\x7e]*$/.test(value) && value.length <= maxLength!);
}

function object(schema: StructuralSchema): fc.Arbitrary<unknown> {
  const fields = Object.entries(schema.properties ?? {}).map(([name, child]) => [name, arbitrary(child)] as const);
  return fc.record(Object.fromEntries(fields), { requiredKeys: schema.required ?? [] });
}

function map(schema: StructuralSchema): fc.Arbitrary<unknown> {
  const key = fc.oneof(fc.constant(`0x${'a'.repeat(40)}`), fc.constant(`0x${'B'.repeat(40)}`), fc.constant('key'));
  return fc.dictionary(key, arbitrary(schema.additionalProperties!), { maxKeys: 2, noNullPrototype: true });
}

/** Another type, a bound overstepped, an unknown field. */
function wrong(schema: StructuralSchema): fc.Arbitrary<unknown> {
  const candidates: unknown[] = ['', 'Wrong value', -1, true, {}, []];
  if (schema.maximum !== undefined) candidates.push(schema.maximum + 1, schema.minimum! - 1, schema.minimum! + 0.5);
  if (schema.maxLength !== undefined && schema.maxLength < 2000)
    candidates.push('a'.repeat(schema.maxLength + 1), 'a'.repeat(schema.maxLength));
  if (schema.properties !== undefined) candidates.push({ unknownField: 1 });
  return fc.constantFrom(...candidates);
}

/** Every place in a schema by which a value of it can be varied: property names, `0` for the first entry of a list. */
export function places(schema: StructuralSchema, path: string[] = []): { path: string[]; schema: StructuralSchema }[] {
  const children = Object.entries(schema.properties ?? {}).flatMap(([name, child]) => places(child, [...path, name]));
  const entries = schema.items === undefined ? [] : places(schema.items, [...path, '0']);
  return [{ path, schema }, ...children, ...entries];
}

/** A copy of `value` in which the place holds `replacement`; parents that are missing are made, `undefined` removes. */
export function replaced(value: unknown, path: readonly string[], replacement: unknown): unknown {
  const [head, ...rest] = path;
  if (head === undefined) return replacement;
  if (head === '0') {
    const list = Array.isArray(value) ? value : [];
    return [replaced(list[0], rest, replacement), ...list.slice(1)];
  }
  const fields = typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {};
  return { ...fields, [head]: replaced((fields as Record<string, unknown>)[head], rest, replacement) };
}
