import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { run } from '../cluster/process.ts';

/** The script that users give to Argo CD. */
export const HEALTH_SCRIPT = join(
  import.meta.dirname,
  '..',
  '..',
  '..',
  'charts',
  'quorum-operator',
  'argocd',
  'health.lua',
);

/** What Argo CD calls the health of a resource. */
export interface Health {
  readonly status: 'Healthy' | 'Progressing' | 'Degraded' | 'Suspended';
  readonly message: string;
}

/** A Lua 5.1 interpreter, the language version that Argo CD embeds; undefined when there is none. */
export function findLua(): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter);
  for (const name of ['lua5.1', 'lua51', 'luajit']) {
    const found = folders.map((folder) => join(folder, name)).find((file) => existsSync(file));
    if (found) return found;
  }
  return undefined;
}

/** Runs the health script as Argo CD does: the object is the global `obj`, the answer is what the script returns. */
export async function healthOf(object: unknown): Promise<Health> {
  const lua = findLua();
  if (lua === undefined) throw new Error('no Lua 5.1 interpreter is in PATH; Debian: apt-get install lua5.1');
  const program = [
    `obj = ${luaLiteral(object)}`,
    `local health = assert(loadfile(${luaLiteral(HEALTH_SCRIPT)}))()`,
    'io.write(health.status, "\\n", health.message)',
  ].join('\n');
  const { stdout } = await run(lua, ['-'], { input: program, timeoutMs: 10_000 });
  const end = stdout.indexOf('\n');
  return { status: stdout.slice(0, end) as Health['status'], message: stdout.slice(end + 1) };
}

/** JSON as a Lua expression. Strings are written byte by byte where a byte is not plain ASCII, so nothing can break out. */
export function luaLiteral(value: unknown): string {
  if (value === null || value === undefined) return 'nil';
  if (typeof value === 'boolean' || typeof value === 'number') return String(value);
  if (typeof value === 'string') {
    const bytes = [...Buffer.from(value, 'utf8')].map((byte) =>
      byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c
        ? String.fromCharCode(byte)
        : `\\${String(byte).padStart(3, '0')}`,
    );
    return `"${bytes.join('')}"`;
  }
  if (Array.isArray(value)) return `{${value.map(luaLiteral).join(', ')}}`;
  const members = Object.entries(value as object).map(
    ([key, member]) => `[${luaLiteral(key)}] = ${luaLiteral(member)}`,
  );
  return `{${members.join(', ')}}`;
}
