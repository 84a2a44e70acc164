import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';
import { kindDefinitions } from '../../../operator/src/api/crd.ts';

const repository = join(import.meta.dirname, '..', '..', '..');
const docs = join(repository, 'docs');
const pages = readdirSync(docs, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.md'))
  .map((file) => join(docs, file));
const read = (...path: string[]) => readFileSync(join(repository, ...path), 'utf8');

test.each(pages.map((page) => relative(repository, page)))('links of %s lead to files', (page) => {
  const text = read(page).replaceAll(/^\s*```[\s\S]*?^\s*```/gm, '');
  const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!.split('#')[0]!);
  const missing = links.filter(
    (link) => link !== '' && !/^[a-z]+:/.test(link) && !existsSync(join(repository, dirname(page), link)),
  );
  expect(missing).toEqual([]);
});

test('the index of the documentation lists every page of its folder', () => {
  const index = read('docs', 'README.md');
  const listed = readdirSync(docs).filter((file) => file.endsWith('.md') && file !== 'README.md');
  expect(listed.filter((file) => !index.includes(`(${file})`))).toEqual([]);
});

describe('the security model', () => {
  const model = read('docs', 'security-model.md');
  const templates = join(repository, 'charts', 'quorum-operator', 'templates');

  test('names every admission policy of the chart, and no other', () => {
    const text = readdirSync(templates)
      .filter((file) => file.startsWith('policy-'))
      .map((file) => readFileSync(join(templates, file), 'utf8'))
      .join('---\n');
    const policies = [...text.matchAll(/^kind: ValidatingAdmissionPolicy\nmetadata:\n {2}name: (\S+)$/gm)];
    const told = [...model.matchAll(/^\| `(quorum-operator-[a-z-]+)` \|/gm)];
    expect(told.map(([, name]) => name).sort()).toEqual(policies.map(([, name]) => name).sort());
  });
});

test('the page on kubectl has the short names', () => {
  const page = read('docs', 'kubectl.md');
  for (const { shortName, resource } of kindDefinitions) {
    expect(page).toMatch(new RegExp(`\`${shortName}\` (is )?${resource.kind}`));
  }
});
