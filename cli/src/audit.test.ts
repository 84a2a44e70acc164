import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { KEY, TestLog } from '@quorum-operator/signer-sidecar/audit/audit-fixture.ts';
import { afterAll, expect, test } from 'vitest';
import { renderAudit, verifyAuditFile } from './audit.ts';

const folder = mkdtempSync(join(tmpdir(), 'quorum-audit-cli-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const publicKeys = [KEY.publicKey];

const log = new TestLog();
for (const writer of ['n1', 'n2', 'n1']) log.entry(writer);
log.checkpoint();
log.entry('n2');
const last = log.checkpoint();
log.entry('n1');
const lines = log.end();

function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

const whole = file('whole.ndjson', `${lines.join('\n')}\n`);

test('an export is verified, with the checkpoint out of a log', async () => {
  const logLine = JSON.stringify({ level: 30, time: 'now', ...last, msg: 'audit checkpoint' });
  const checkpoint = file('door.log', `{"msg":"door open"}\nnot JSON with "checkpoint"\n${logLine}\n{"msg":"bye"}\n`);
  const report = await verifyAuditFile({ file: whole, publicKeys, checkpoint });
  expect(report.ok).toBe(true);
  expect(renderAudit(report)).toBe(
    `5 entries of 2 writers, 2 checkpoints\nlast checkpoint: 2 of 2026-01-01T00:01:00.000Z, ${last.hash}\n` +
      '1 entries are behind the last checkpoint: only a later one proves their end\nNothing is wrong.\n',
  );
  const short = file('short.ndjson', `${lines.slice(0, 4).join('\n')}\n`);
  expect(renderAudit(await verifyAuditFile({ file: short, publicKeys, checkpoint }))).toContain(
    'line 4, writer n2, entry 2: cut off: 2',
  );
  const rest = file('rest.ndjson', `${lines.slice(4, 6).join('\n')}\n`);
  expect((await verifyAuditFile({ file: rest, publicKeys, since: short })).ok).toBe(true);
});

test('a changed byte, a carriage return, an empty line: found', async () => {
  for (const changed of [
    lines.join('\n').replace('alice', 'alicf'),
    lines.join('\r\n'),
    lines.join('\n\n'),
    `${lines.join('\n')}\n\n`,
  ]) {
    const report = await verifyAuditFile({ file: file('changed.ndjson', changed), publicKeys });
    expect(report.ok).toBe(false);
    expect(renderAudit(report)).toContain('What is wrong');
  }
});

test('what cannot be used is said', async () => {
  await expect(verifyAuditFile({ file: whole, publicKeys: [] })).rejects.toThrow('needs --public-key');
  await expect(verifyAuditFile({ file: whole, publicKeys: ['0x04'] })).rejects.toThrow('not a public key');
  const none = file('none.log', '{"msg":"door open"}\n');
  await expect(verifyAuditFile({ file: whole, publicKeys, checkpoint: none })).rejects.toThrow('holds no checkpoint');
  await expect(verifyAuditFile({ file: join(folder, 'gone'), publicKeys })).rejects.toThrow('ENOENT');
});

test('the command: exit code 0 for a good export, 1 for a bad one', async () => {
  const main = fileURLToPath(new URL('./main.ts', import.meta.url));
  const run = (args: string[]) =>
    new Promise<{ code: number; out: string }>((resolve) => {
      execFile(process.execPath, [main, 'audit', 'verify', ...args], (error, stdout, stderr) =>
        resolve({ code: Number(error?.code ?? 0), out: stdout + stderr }),
      );
    });
  const key = ['--public-key', KEY.publicKey];
  expect(await run([whole, ...key])).toMatchObject({ code: 0, out: expect.stringContaining('Nothing is wrong.') });
  const bad = file('bad.ndjson', lines.toSpliced(1, 1).join('\n'));
  const { code, out } = await run([bad, ...key, '-o', 'json']);
  expect([code, JSON.parse(out)]).toMatchObject([
    1,
    { ok: false, faults: [{ checkpoint: 1, writer: 'n1', sequence: 2, what: 'missing: 2' }] },
  ]);
}, 60_000);
