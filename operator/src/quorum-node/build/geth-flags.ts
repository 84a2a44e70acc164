import { ports } from '../../names.ts';

/** Where geth finds its files; the StatefulSet mounts them there. */
export const gethPaths = {
  data: '/data',
  genesis: '/config/genesis',
  peers: '/config/peers',
  nodekey: '/secrets/nodekey',
  /** Empty and read-only: no account can ever be in it. */
  keystore: '/keystore',
  ptmTls: '/secrets/ptm-tls',
} as const;

export interface GethFlagOptions {
  readonly chainId: number;
  /** Block gas limit of the genesis, decimal string. */
  readonly gasLimit: string;
  /** 0 silent … 5 detail. */
  readonly verbosity: number;
  /** IP by which peers outside the cluster reach the node. */
  readonly externalAddress?: string | undefined;
  /** Q2T address of the transaction manager: https, host and port. */
  readonly transactionManagerUrl?: string | undefined;
  readonly extraArgs?: readonly string[] | undefined;
}

/** Namespaces on loopback, where only the door reaches them. No `personal`, `miner`, `debug`: nobody has a use for them. */
const HTTP_API = 'eth,net,web3,txpool,istanbul,admin';
const WS_API = 'eth,net,web3';

/** Free space, MB, below which geth stops by itself while it still can write what it holds in memory. */
const MIN_FREE_DISK_MB = 512;

/**
 * Arguments of geth: the set that was measured with GoQuorum 24.4.1, where an unknown flag ends the process.
 *
 * - `miner.recommit` beyond the longest round: at the default of 3 s every new proposal restarts the round timer, and one
 *   dead validator under light load halts the chain.
 * - `gcmode archive`: otherwise a kill of all validators at once rewrites finalised blocks.
 * - `mine` on every node: harmless on a non-validator, and a validator that is voted in must not wait for a restart.
 * - `networkid`: without it geth believes it is on the main net and takes 4 GiB of cache.
 * - gas target and ceiling equal to the genesis' limit keep the limit where the consortium put it.
 * - `--nodekey FILE`: without it geth silently makes a new identity on an empty volume.
 */
export function gethFlags(options: GethFlagOptions): string[] {
  return [
    ...['--datadir', gethPaths.data],
    ...['--datadir.minfreedisk', String(MIN_FREE_DISK_MB)],
    ...['--keystore', gethPaths.keystore],
    ...['--nodekey', `${gethPaths.nodekey}/nodekey`],
    ...['--networkid', String(options.chainId)],
    ...['--port', String(ports.peer)],
    '--nodiscover',
    ...['--nat', options.externalAddress ? `extip:${options.externalAddress}` : 'none'],
    '--permissioned',
    ...['--syncmode', 'full'],
    ...['--gcmode', 'archive'],
    ...['--cache', '128'],
    '--mine',
    ...['--miner.threads', '1'],
    ...['--miner.gasprice', '0'],
    ...['--miner.gastarget', options.gasLimit],
    ...['--miner.gaslimit', options.gasLimit],
    ...['--miner.recommit', '10m'],
    '--http',
    ...['--http.addr', '127.0.0.1', '--http.port', String(ports.gethHttp), '--http.api', HTTP_API],
    '--ws',
    ...['--ws.addr', '127.0.0.1', '--ws.port', String(ports.gethWebSocket), '--ws.api', WS_API],
    '--metrics',
    ...['--metrics.addr', '127.0.0.1', '--metrics.port', String(ports.gethMetrics)],
    '--ipcdisable',
    ...['--verbosity', String(options.verbosity)],
    '--log.json',
    ...transactionManagerFlags(options.transactionManagerUrl),
    ...(options.extraArgs ?? []),
  ];
}

/**
 * A manager that does not answer in time ends geth (exit code 1 at its start, 112 later), and geth's own 5 s and 1 s are
 * short on a busy machine. One that refuses connections is noticed at once all the same.
 */
function transactionManagerFlags(url: string | undefined): string[] {
  if (!url) return [];
  return [
    ...['--ptm.url', url],
    ...['--ptm.timeout', '15'],
    ...['--ptm.dialtimeout', '5'],
    ...['--ptm.tls.mode', 'strict'],
    ...['--ptm.tls.rootca', `${gethPaths.ptmTls}/ca.crt`],
    ...['--ptm.tls.clientcert', `${gethPaths.ptmTls}/tls.crt`],
    ...['--ptm.tls.clientkey', `${gethPaths.ptmTls}/tls.key`],
  ];
}
