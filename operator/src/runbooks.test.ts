import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { repository } from './api/generate.ts';
import { readRunbooks, reasonsByKind } from './runbooks.ts';

const folder = join(repository, 'docs', 'runbooks');
const runbooks = readRunbooks(folder);
const reasons = [...new Set(Object.values(reasonsByKind).flat())].sort();

it('every reason has a page, and every page a reason', () => {
  expect(runbooks.map(({ reason }) => reason)).toEqual(reasons);
});

describe.each(runbooks.map((runbook) => [runbook.reason, runbook] as const))('%s', (reason, { seenOn, text }) => {
  it('is titled by its reason and says where it is seen', () => {
    expect(text.startsWith(`# ${reason}\n`)).toBe(true);
    const kinds = Object.keys(reasonsByKind).filter((kind) => reasonsByKind[kind]!.includes(reason));
    expect(Object.keys(reasonsByKind).filter((kind) => seenOn.includes(kind))).toEqual(kinds);
  });

  it('says what it means and what to do', () => {
    for (const heading of ['What it means', 'What to do']) {
      const start = text.indexOf(`## ${heading}`);
      expect(start, heading).toBeGreaterThan(0);
      const body = text.slice(start).split('\n').slice(1).join('\n').split(/^## /m)[0]!.trim();
      expect(body.length, heading).toBeGreaterThan(6);
    }
  });

  it('leads nowhere that is not there', () => {
    const links = [...text.matchAll(/\]\(([^)#]+)(#[^)]*)?\)/g)].map(([, target]) => target!);
    for (const link of links.filter((target) => !target.includes(':')))
      expect(existsSync(join(folder, link)), link).toBe(true);
  });
});

it('pages that messages of the operator name are there', () => {
  const sources = readdirSync(join(repository, 'operator', 'src'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
    .map((file) => readFileSync(join(repository, 'operator', 'src', file), 'utf8'));
  const named = sources.flatMap((source) => [...source.matchAll(/docs\/runbooks\/([A-Z]\w+)\.md/g)].map(([, n]) => n!));
  expect(named.length).toBeGreaterThan(2);
  for (const name of named.filter((one) => one !== 'README')) expect(reasons).toContain(name);
});
