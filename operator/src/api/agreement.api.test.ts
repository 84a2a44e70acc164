import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { ApiClient, type Manifest } from '../../../e2e/src/chart/api-client.ts';
import { arbitrary, places, replaced } from './arbitrary.ts';
import { kindDefinitions, schemas } from './crd.ts';
import { repository } from './generate.ts';
import { installCrds } from './testing.ts';

/** Cases of each kind. A fixed seed keeps runs comparable; SEED and CASES widen the search. */
const CASES = Number(process.env.CASES ?? 40);
const SEED = Number(process.env.SEED ?? 20_260_601);

const namespace = `agreement-${Date.now().toString(36)}`;
const example: Manifest[] = parseAllDocuments(
  readFileSync(join(repository, 'examples', 'consortium.yaml'), 'utf8'),
).map((document) => document.toJS());

let api: ApiClient;

beforeAll(async () => {
  api = new ApiClient(inject('kubeconfig'));
  await installCrds(api);
  await api.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
});
afterAll(() => api.close());

test.each(kindDefinitions.map((definition) => [definition.resource.kind, definition] as const))(
  '%s: zod and the API server accept the same specs',
  async (kind, definition) => {
    const { spec: schema } = schemas(definition);
    const base = example.find((manifest) => manifest.kind === kind);
    const spec = fc
      .array(
        fc
          .constantFrom(...places(schema))
          .chain((place) =>
            fc
              .option(arbitrary(place.schema), { nil: undefined, freq: 8 })
              .map((value) => [place.path, value] as const),
          ),
        { minLength: 1, maxLength: 3 },
      )
      .map((changes) => changes.reduce((value, [path, change]) => replaced(value, path, change), base.spec as unknown));
    const verdicts = { accepted: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(spec, async (candidate) => {
        const sent = JSON.parse(JSON.stringify({ spec: candidate })).spec;
        const parsed = definition.spec.safeParse(sent);
        const metadata = {
          ...base.metadata,
          name: 'any',
          namespace: definition.resource.namespaced ? namespace : undefined,
        };
        const reply = await api.create({ ...base, metadata, spec: sent }, { query: { dryRun: 'All' } });
        verdicts[reply.status === 201 ? 'accepted' : 'refused']++;
        expect(parsed.success, `zod: ${parsed.error?.message}\nAPI server: ${reply.text}`).toBe(reply.status === 201);
        if (parsed.success) expect(JSON.parse(reply.text).spec, 'defaults').toEqual(parsed.data);
      }),
      { numRuns: CASES, seed: SEED },
    );
    // A search that only ever meets one answer shows nothing.
    expect(verdicts.accepted).toBeGreaterThan(CASES / 10);
    expect(verdicts.refused).toBeGreaterThan(CASES / 10);
  },
);
