import { SigningKey } from 'ethers';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { KEY, TestLog } from './audit-fixture.ts';
import { canonicalJson } from './canonical.ts';
import { verifyAudit } from './verify.ts';

const publicKey = KEY.publicKey;

/** Two writers, one of which began with the first version; three checkpoints, and two entries after them. */
function sample(): TestLog {
  const log = new TestLog();
  log.formerEntry('n1');
  log.formerEntry('n1');
  for (const writer of ['n1', 'n2', 'n1']) log.entry(writer);
  log.checkpoint();
  for (const writer of ['n2', 'n2', 'n1', 'n0']) log.entry(writer);
  log.checkpoint();
  log.entry('n2');
  log.checkpoint();
  log.entry('n1');
  log.entry('n2');
  log.end();
  return log;
}

const whats = (report: { faults: { what: string }[] }) => report.faults.map(({ what }) => what).join('; ');

test('an export as it was written is good, with and without a known checkpoint', async () => {
  const { lines, checkpoints } = sample();
  for (const lastCheckpoint of [undefined, ...checkpoints]) {
    const report = await verifyAudit(lines, { publicKey, lastCheckpoint });
    expect(report).toMatchObject({
      ok: true,
      faults: [],
      entries: 12,
      checkpoints: 3,
      uncovered: 2,
      last: { number: 3 },
    });
  }
});

test('an export that goes on after a known checkpoint is good, and joined to the one before it', async () => {
  const { lines, checkpoints } = sample();
  const cut = lines.findIndex((line) => line.includes('"number":1,')) + 1;
  const since = checkpoints[0];
  expect(await verifyAudit(lines.slice(cut), { publicKey, since })).toMatchObject({ ok: true, checkpoints: 2 });
  expect(await verifyAudit([], { publicKey, since, lastCheckpoint: since })).toMatchObject({ ok: true, entries: 0 });
  expect((await verifyAudit(lines.slice(cut), { publicKey })).ok).toBe(false);
});

test('any single change of a line, of its place, or of its presence is found', async () => {
  const { lines, checkpoints } = sample();
  const lastCheckpoint = checkpoints.at(-1)!;
  // the entries behind the last checkpoint are bound to nothing that comes later, so their end may be missing
  const covered = lines.length - 2;
  const at = fc.nat({ max: covered - 1 });
  const anywhere = fc.nat({ max: lines.length - 1 });
  const mutation = fc.oneof(
    at.map((index) => lines.toSpliced(index, 1)),
    anywhere.map((index) => lines.toSpliced(index, 0, lines[index]!)),
    fc
      .tuple(anywhere, anywhere)
      .filter(([from, to]) => from !== to)
      .map(([from, to]) => lines.toSpliced(from, 1).toSpliced(to, 0, lines[from]!)),
    fc
      .tuple(anywhere, fc.nat(), fc.nat({ max: 126 }))
      .map(([index, position, code]) => {
        const line = lines[index]!;
        const where = position % line.length;
        return lines.with(index, line.slice(0, where) + String.fromCharCode(code) + line.slice(where + 1));
      })
      .filter((mutated) => mutated.some((line, index) => line !== lines[index])),
    fc.tuple(anywhere, fc.nat(), fc.constantFrom(' ', '0', '"', 'a', ',')).map(([index, position, more]) => {
      const line = lines[index]!;
      const where = position % (line.length + 1);
      return lines.with(index, line.slice(0, where) + more + line.slice(where));
    }),
    fc.nat({ max: covered - 1 }).map((length) => lines.slice(0, length)),
  );
  await fc.assert(
    fc.asyncProperty(mutation, async (mutated) => {
      const report = await verifyAudit(mutated, { publicKey, lastCheckpoint });
      expect(report.ok).toBe(false);
      expect(report.faults[0]!.what).not.toBe('');
    }),
    { numRuns: 120 },
  );
}, 180_000);

test('says which writer, which entry, and what', async () => {
  const { lines } = sample();
  const index = lines.findIndex((line) => line.includes('"sequence":2,') && line.includes('"writer":"n2"'));
  const verify = (changed: string[]) => verifyAudit(changed, { publicKey });
  const where = { line: index + 1, writer: 'n2', sequence: 2 };
  expect((await verify(lines.with(index, lines[index]!.replace('alice', 'mallo')))).faults).toEqual([
    { ...where, what: 'changed: its hash is not the one of its text' },
  ]);
  expect((await verify(lines.toSpliced(index, 1))).faults).toEqual([
    { ...where, sequence: 3, what: 'missing before it: 2' },
  ]);
  const swapped = lines.with(index, lines[index + 1]!).with(index + 1, lines[index]!);
  expect(whats(await verify(swapped))).toBe('missing before it: 2; doubled or moved: it stands behind entry 3');
});

test('a log made anew from some entry on, all hashes right, is found by the checkpoints', async () => {
  const forged = new TestLog();
  forged.entry('n1', '1000000');
  forged.entry('n1');
  forged.checkpoint(new SigningKey(`0x${'66'.repeat(32)}`));
  const honest = new TestLog();
  honest.entry('n1');
  honest.entry('n1');
  honest.checkpoint();
  const own = await verifyAudit(forged.end(), { publicKey });
  expect(whats(own)).toBe('forged or of another key: its signature is not of the given public key');
  const mixed = await verifyAudit([...forged.lines.slice(0, 2), honest.lines[2]!], { publicKey });
  expect(mixed.faults).toEqual([
    { line: 3, checkpoint: 1, writer: 'n1', sequence: 2, what: 'changed: it covers another entry here' },
  ]);
  const known = await verifyAudit(forged.lines, {
    publicKey: [publicKey, forged.checkpoints[0]!.checkpoint.signedBy.publicKey],
    lastCheckpoint: honest.checkpoints[0],
  });
  expect(whats(known)).toBe('it is another one than the checkpoint that is known');
});

test('an end that was cut off is found with the last checkpoint, and says what is gone', async () => {
  const { lines, checkpoints } = sample();
  const cut = lines.findIndex((line) => line.includes('"number":2,'));
  const short = lines.slice(0, cut + 1);
  expect((await verifyAudit(short, { publicKey })).ok).toBe(true);
  expect((await verifyAudit(short, { publicKey, lastCheckpoint: checkpoints[2] })).faults).toEqual([
    { line: short.length, checkpoint: 3, what: 'cut off: the export ends before the known checkpoint 3' },
    { line: short.length, writer: 'n2', sequence: 4, what: 'cut off: 4' },
  ]);
});

test('the other form of a signature (high s), another key, a checkpoint that is known but forged', async () => {
  const { lines, checkpoints } = sample();
  const index = lines.findIndex((line) => line.includes('"number":3,'));
  const signed = checkpoints[2]!;
  const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
  const s = (order - BigInt(`0x${signed.signature.slice(66, 130)}`)).toString(16).padStart(64, '0');
  const v = signed.signature.endsWith('1b') ? '1c' : '1b';
  const high = { ...signed, signature: signed.signature.slice(0, 66) + s + v };
  expect(whats(await verifyAudit(lines.with(index, canonicalJson(high)), { publicKey }))).toContain('forged');
  const other = new SigningKey(`0x${'55'.repeat(32)}`).publicKey;
  expect((await verifyAudit(lines, { publicKey: other })).faultsTotal).toBe(3);
  expect((await verifyAudit(lines, { publicKey: [other, publicKey] })).ok).toBe(true);
  expect(whats(await verifyAudit(lines, { publicKey, lastCheckpoint: high }))).toContain('lastCheckpoint: forged');
  for (const none of ['0x02ab', `0x04${'ab'.repeat(64)}`]) {
    await expect(verifyAudit(lines, { publicKey: none })).rejects.toThrow('not a public key');
  }
});

test('nothing, and entries without any checkpoint, prove nothing', async () => {
  expect(whats(await verifyAudit([], { publicKey }))).toContain('there is no checkpoint');
  const log = new TestLog();
  log.entry('n1');
  expect(whats(await verifyAudit(log.end(), { publicKey }))).toContain('there is no checkpoint');
});

test('canonical JSON: one text for one value, whatever the order of its fields', () => {
  expect(canonicalJson({ b: [1, 'é\n', null], a: { z: true, y: undefined } })).toBe(
    '{"a":{"z":true},"b":[1,"é\\n",null]}',
  );
  for (const value of [1.5, Number.NaN, -0, 2 ** 60, 1n, undefined]) expect(() => canonicalJson(value)).toThrow();
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.integer(), fc.boolean())), (value) => {
      const shuffled = Object.fromEntries(Object.entries(value).reverse());
      expect(canonicalJson(shuffled)).toBe(canonicalJson(value));
      expect(canonicalJson(JSON.parse(canonicalJson(value)))).toBe(canonicalJson(value));
    }),
  );
});
