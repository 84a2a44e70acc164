import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { celField } from './common.ts';
import { customResourceDefinition, kindDefinitions } from './crd.ts';
import { generatedFiles, repository } from './generate.ts';
import { type StructuralSchema, structuralSchema } from './structural.ts';

describe('generated files', () => {
  test.each([...generatedFiles()])('%s is what `npm run generate` writes', (path, content) => {
    expect(readFileSync(join(repository, path), 'utf8')).toBe(content);
  });
});

describe.each(kindDefinitions.map((definition) => [definition.resource.kind, definition] as const))(
  '%s',
  (_, definition) => {
    const crd = customResourceDefinition(definition);
    const version = crd.spec.versions[0]!;
    const schema = version.schema.openAPIV3Schema as StructuralSchema;

    test('an object the operator has not seen yet is not current for kstatus', () => {
      expect(schema).toHaveProperty('properties.status.default', { observedGeneration: -1 });
    });

    test('kubectl get says whether and why', () => {
      const names = version.additionalPrinterColumns.map((column) => column.name);
      expect(names.slice(0, 2)).toEqual(['Ready', 'Reason']);
      expect(names.slice(-2)).toEqual(['Message', 'Age']);
      expect(version.additionalPrinterColumns.find((column) => column.name === 'Message')?.priority).toBe(1);
    });

    test('every field is explained', () => {
      const silent: string[] = [];
      walk(schema, '', (node, path) => {
        if (node.description === undefined && !/metadata$|\[\]$|\*$/.test(path)) silent.push(path);
      });
      expect(silent).toEqual([]);
    });

    test('immutable fields are optional nowhere without a guard on their parent', () => {
      const unguarded: string[] = [];
      walk(schema, '', (node, path) => {
        for (const [name, child] of Object.entries(node.properties ?? {})) {
          const fixed = child['x-kubernetes-validations']?.some((rule) => rule.rule === 'self == oldSelf');
          const present = node.required?.includes(name) || child.default !== undefined;
          const guard = `has(self.${celField(name)}) == has(oldSelf.${celField(name)})`;
          const guarded = node['x-kubernetes-validations']?.some((rule) => rule.rule === guard);
          if (fixed && !present && !guarded) unguarded.push(`${path}.${name}`);
        }
      });
      expect(unguarded).toEqual([]);
    });
  },
);

test('reserved words of CEL are escaped, or the cost estimate takes them for unbounded', () => {
  const crds = JSON.stringify(kindDefinitions.map(customResourceDefinition));
  const rules = [...crds.matchAll(/"rule":"(.*?[^\\])"/g)].map((match) => match[1]!);
  expect(rules.length).toBeGreaterThan(30);
  expect(rules.filter((rule) => /\.(namespace|import|package|function)\b/.test(rule))).toEqual([]);
});

describe('what a CRD cannot hold is refused with its path', () => {
  test.each([
    ['a string without a bound', z.object({ a: z.string() }), 'X.a: a string must have maxLength'],
    ['a list without a bound', z.object({ a: z.array(z.boolean()) }), 'X.a: a array must have maxItems'],
    ['a union', z.object({ a: z.union([z.boolean(), z.string().max(3)]) }), 'X.a: keyword anyOf does not exist'],
    ['a fraction', z.object({ a: z.number().min(0).max(1) }), 'X.a: numbers with fractions'],
    ['an integer without a format', z.object({ a: z.int() }), 'X.a: a integer must have a format'],
    ['an unknown format', z.object({ a: z.email().max(9) }), 'X.a: format email is unknown'],
    [
      'a map without a bound',
      z.object({ a: z.record(z.string(), z.boolean()) }),
      'X.a: a object must have maxProperties',
    ],
  ])('%s', (_, schema, message) => {
    expect(() => structuralSchema(schema, 'X')).toThrow(message);
  });
});

function walk(node: StructuralSchema, path: string, visit: (node: StructuralSchema, path: string) => void): void {
  visit(node, path);
  for (const [name, child] of Object.entries(node.properties ?? {})) walk(child, `${path}.${name}`, visit);
  if (node.items) walk(node.items, `${path}[]`, visit);
  if (node.additionalProperties) walk(node.additionalProperties, `${path}.*`, visit);
}
