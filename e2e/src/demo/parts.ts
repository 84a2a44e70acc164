import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { clusterDirectory } from '../cluster/cache.ts';
import { kindObstacle } from '../cluster/kind.ts';
import { run } from '../cluster/process.ts';
import type { ImageFile } from '../cluster/provider.ts';

const OFFICIAL = { quorum: 'quorumengineering/quorum:24.4', tessera: 'quorumengineering/tessera:24.4' } as const;

/** Which parts are real in a run, decided by what is at hand. */
export interface Parts {
  /** A real GoQuorum binary, from GOQUORUM_BIN. */
  readonly goquorumBinary?: string;
  /** Official images that could be pulled; what is absent here is a stand-in. */
  readonly official: { readonly quorum?: string; readonly tessera?: string };
}

/** Looks for real parts: the binary that GOQUORUM_BIN names, else official images where Docker can pull them. */
export async function findParts(log: (line: string) => void, env: NodeJS.ProcessEnv = process.env): Promise<Parts> {
  const goquorumBinary = env.GOQUORUM_BIN || undefined;
  if ((await kindObstacle()) !== undefined) return { goquorumBinary, official: {} };
  const [quorum, tessera] = await Promise.all([
    goquorumBinary === undefined ? pull(OFFICIAL.quorum, log) : undefined,
    pull(OFFICIAL.tessera, log),
  ]);
  return { goquorumBinary, official: { quorum, tessera } };
}

async function pull(image: string, log: (line: string) => void): Promise<string | undefined> {
  log(`pulling ${image}`);
  const { code } = await run('docker', ['pull', '--quiet', image], { timeoutMs: 600_000, allowFailure: true });
  return code === 0 ? image : undefined;
}

/** What is real and what is not, one line a part. */
export function partsNotice({ goquorumBinary, official }: Parts): string[] {
  const quorum = goquorumBinary ?? official.quorum;
  return [
    quorum === undefined
      ? 'GoQuorum is a stand-in (set GOQUORUM_BIN to a geth binary for the real one): one EVM behind all nodes, no QBFT.'
      : `GoQuorum is real: ${quorum}.`,
    official.tessera === undefined
      ? 'Tessera is a stand-in (its image cannot be pulled here): configuration check, TLS and REST are real, its own code is not.'
      : `Tessera is real: ${official.tessera}.`,
  ];
}

/** Official images as archives that a cluster can load. */
export async function saveOfficial({ official }: Parts): Promise<ImageFile[]> {
  const images = Object.values(official).filter((image) => image !== undefined);
  if (images.length === 0) return [];
  const folder = join(clusterDirectory('official-images'));
  await mkdir(folder, { recursive: true });
  return Promise.all(
    images.map(async (name) => {
      const file = join(folder, `${name.replaceAll(/[/:]/g, '-')}.tar`);
      await run('docker', ['save', '--output', file, name], { timeoutMs: 600_000 });
      return { name, file };
    }),
  );
}
