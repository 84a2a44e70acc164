/** A process the evidence is asked for: who it runs as, and, where several share a user id, what its command line holds. */
export interface ProcessToProve {
  /** Name of the container, as in the pod's spec. */
  readonly container: string;
  /** User id the container runs as; in this product each container of a pod has its own. */
  readonly uid: number;
  /** Text that must occur in the command line, for containers that run more than one program. */
  readonly command?: string;
}

/** Four ids as the kernel lists them in `/proc/<pid>/status`. */
export interface Ids {
  readonly real: number;
  readonly effective: number;
  readonly saved: number;
  readonly filesystem: number;
}

/** Capability sets as 16 hex digits, exactly as the kernel prints them; all zero means none. */
export interface Capabilities {
  readonly inheritable: string;
  readonly permitted: string;
  readonly effective: string;
  readonly bounding: string;
  readonly ambient: string;
}

export type SeccompMode = 'disabled' | 'strict' | 'filter' | 'unknown';

/** A resource limit: bytes (for core files), or no limit. */
export type Limit = number | 'unlimited';

/** What happened when the evidence reader itself tried to open a private part of a neighbour: `refused` is what is wanted. */
export type Access = 'refused' | 'allowed' | 'absent';

/**
 * What the kernel says about one process, read without privilege and without exec. Fields that could not be read
 * (the process ended meanwhile, or the file is private) are absent, never guessed.
 */
export interface ProcessEvidence {
  readonly container: string;
  readonly pid: number;
  /** First word of the command line and its arguments; the arguments of our programs carry no secrets. */
  readonly command: readonly string[];
  readonly uid: Ids;
  readonly gid: Ids;
  /** Supplementary groups. */
  readonly groups: readonly number[];
  readonly capabilities: Capabilities;
  readonly noNewPrivileges?: boolean;
  readonly seccomp: SeccompMode;
  readonly coreLimit?: { readonly soft: Limit; readonly hard: Limit };
  /** `/proc/<pid>/coredump_filter` as hex digits; `00000000` dumps no memory. Private for some processes, then absent. */
  readonly coredumpFilter?: string;
  /** Whether this reader may open the process's memory, environment and root folder. */
  readonly access: { readonly memory: Access; readonly environment: Access; readonly root: Access };
}

/** Facts about the reader's own container. */
export interface OwnEvidence {
  readonly uid: number;
  readonly gid: number;
  /** True when writing to `/` fails because the file system is read-only (EROFS). */
  readonly readOnlyRoot: boolean;
}

/** The answer of `GET /evidence`. */
export interface Evidence {
  /** RFC 3339. */
  readonly time: string;
  readonly own: OwnEvidence;
  readonly processes: readonly ProcessEvidence[];
  /** Configured containers of which no process was found. */
  readonly missing: readonly string[];
}
