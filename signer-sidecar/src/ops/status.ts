/** What the node says of itself, put together from a handful of calls to geth. */
import type { ChainClient, UpstreamAnswer } from '../gateway/upstream.ts';
import type { NodeStatus, SignerStatus } from './types.ts';

const MAX_AGE_MS = 2_000;
/** Over how many blocks the sealers are counted. */
const SEALERS_WINDOW = 100;

const calls = {
  block: ['eth_getBlockByNumber', ['latest', false]],
  genesis: ['eth_getBlockByNumber', ['0x0', false]],
  peers: ['admin_peers', []],
  nodeInfo: ['admin_nodeInfo', []],
  version: ['web3_clientVersion', []],
  chainId: ['eth_chainId', []],
  syncing: ['eth_syncing', []],
  validators: ['istanbul_getValidators', ['latest']],
  address: ['istanbul_nodeAddress', []],
} as const satisfies Record<string, readonly [string, readonly unknown[]]>;
type Name = keyof typeof calls;

export class StatusPoller {
  readonly #chain: ChainClient;
  readonly #configHash: string;
  readonly #signer: () => SignerStatus | undefined;
  #last: { at: number; status: Promise<NodeStatus> } | undefined;

  constructor(chain: ChainClient, configHash: string, signer: () => SignerStatus | undefined) {
    this.#chain = chain;
    this.#configHash = configHash;
    this.#signer = signer;
  }

  /** At most two seconds old; many who ask at once cost one look. Never rejects. */
  get(): Promise<NodeStatus> {
    const now = performance.now();
    if (this.#last === undefined || now - this.#last.at > MAX_AGE_MS) this.#last = { at: now, status: this.#look() };
    return this.#last.status;
  }

  async #look(): Promise<NodeStatus> {
    const time = new Date().toISOString();
    const signer = this.#signer();
    const own = { time, configHash: this.#configHash, ...(signer === undefined ? {} : { signer }) };
    try {
      const names = Object.keys(calls) as Name[];
      const answers = await this.#chain.batch(
        names.map((name) => ({ method: calls[name][0], params: [...calls[name][1]] })),
      );
      const answer = (name: Name) => resultOf(answers[names.indexOf(name)]!);
      return { ...own, reachable: true, ...describe(answer), ...(await this.#sealers(answer('block'))) };
    } catch (error) {
      const cause = (error as { cause?: unknown }).cause;
      const upstreamError = (cause instanceof Error ? cause : (error as Error)).message;
      return { ...own, reachable: false, upstreamError };
    }
  }

  /** istanbul_status counts who sealed; without the istanbul API there is nothing to say. */
  async #sealers(block: unknown): Promise<Pick<NodeStatus, 'sealers' | 'sealersWindow'>> {
    const head = quantity((block as { number?: unknown } | undefined)?.number);
    if (head === undefined || head < 1) return {};
    const from = Math.max(head - SEALERS_WINDOW + 1, 1);
    const [answer] = await this.#chain.batch([{ method: 'istanbul_status', params: [hex(from), hex(head)] }]);
    const status = resultOf(answer!) as { sealerActivity?: Record<string, number>; numBlocks?: number } | undefined;
    if (status?.sealerActivity === undefined) return {};
    const activity = Object.entries(status.sealerActivity);
    return {
      sealers: Object.fromEntries(activity.map(([address, count]) => [address.toLowerCase(), count])),
      sealersWindow: status.numBlocks ?? head - from + 1,
    };
  }
}

type Described = Omit<NodeStatus, 'time' | 'reachable' | 'configHash' | 'signer'>;

function describe(answer: (name: Name) => unknown): Described {
  const block = answer('block') as { number?: unknown; timestamp?: unknown; hash?: string } | undefined;
  const peers = answer('peers') as { enode?: string; id?: string }[] | undefined;
  const info = answer('nodeInfo') as { enode?: string } | undefined;
  const validators = (answer('validators') as string[] | undefined)?.map((address) => address.toLowerCase());
  const address = (answer('address') as string | undefined)?.toLowerCase();
  const syncing = answer('syncing');
  const isValidator = validators === undefined || address === undefined ? undefined : validators.includes(address);
  const ids = peers?.flatMap((peer) => nodeId(peer.enode) ?? []);
  return withoutAbsent({
    blockNumber: quantity(block?.number),
    blockTime: quantity(block?.timestamp),
    blockHash: block?.hash,
    peers: peers?.length,
    peerIds: ids,
    validators,
    isValidator,
    address,
    enodeId: nodeId(info?.enode),
    clientVersion: answer('version') as string | undefined,
    chainId: quantity(answer('chainId')),
    syncing: syncing === undefined ? undefined : syncing !== false,
    genesisHash: (answer('genesis') as { hash?: string } | undefined)?.hash,
  });
}

/** The public key in an enode URL. */
function nodeId(enode: string | undefined): string | undefined {
  return /^enode:\/\/([0-9a-fA-F]{128})@/.exec(enode ?? '')?.[1]?.toLowerCase();
}

function resultOf(answer: UpstreamAnswer): unknown {
  return 'error' in answer || answer.result === null ? undefined : answer.result;
}

function quantity(value: unknown): number | undefined {
  return typeof value === 'string' && /^0x[0-9a-fA-F]+$/.test(value) ? Number(BigInt(value)) : undefined;
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

function withoutAbsent(fields: { [Field in keyof Described]: Described[Field] | undefined }): Described {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Described;
}
