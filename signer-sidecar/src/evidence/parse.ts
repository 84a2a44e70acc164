import type { Capabilities, Ids, Limit, SeccompMode } from './types.ts';

/** What `/proc/<pid>/status` says that evidence needs. */
export interface ProcessStatus {
  readonly uid: Ids;
  readonly gid: Ids;
  readonly groups: readonly number[];
  readonly capabilities: Capabilities;
  /** Absent on kernels older than 4.10. */
  readonly noNewPrivileges?: boolean;
  readonly seccomp: SeccompMode;
}

const SECCOMP: Record<string, SeccompMode> = { '0': 'disabled', '1': 'strict', '2': 'filter' };

/**
 * Parses `/proc/<pid>/status`.
 * @throws Error when a line that every kernel writes is missing
 */
export function parseStatus(text: string): ProcessStatus {
  const fields = new Map<string, string>();
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  const field = (name: string): string => {
    const value = fields.get(name);
    if (value === undefined) throw new Error(`/proc/<pid>/status has no line ${name}`);
    return value;
  };
  const noNewPrivileges = fields.get('NoNewPrivs');
  return {
    uid: ids(field('Uid')),
    gid: ids(field('Gid')),
    groups: field('Groups').split(/\s+/).filter(Boolean).map(Number),
    capabilities: {
      inheritable: field('CapInh'),
      permitted: field('CapPrm'),
      effective: field('CapEff'),
      bounding: field('CapBnd'),
      ambient: fields.get('CapAmb') ?? '0000000000000000',
    },
    ...(noNewPrivileges === undefined ? {} : { noNewPrivileges: noNewPrivileges === '1' }),
    seccomp: SECCOMP[fields.get('Seccomp') ?? ''] ?? 'unknown',
  };
}

function ids(text: string): Ids {
  const [real, effective, saved, filesystem] = text.split(/\s+/).map(Number);
  if (filesystem === undefined) throw new Error(`${JSON.stringify(text)} is not a line of four ids`);
  return { real: real!, effective: effective!, saved: saved!, filesystem };
}

/** Finds `Max core file size` in `/proc/<pid>/limits`; undefined when the line is not there. */
export function parseCoreLimit(text: string): { soft: Limit; hard: Limit } | undefined {
  const found = /^Max core file size\s+(\S+)\s+(\S+)/m.exec(text);
  return found === null ? undefined : { soft: limit(found[1]!), hard: limit(found[2]!) };
}

function limit(text: string): Limit {
  return text === 'unlimited' ? 'unlimited' : Number(text);
}

/** Splits `/proc/<pid>/cmdline`; kernel threads and zombies have none. */
export function parseCommandLine(text: string): string[] {
  const parts = text.split('\0');
  if (parts.at(-1) === '') parts.pop();
  return parts;
}
