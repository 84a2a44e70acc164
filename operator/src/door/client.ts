import { createHash } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { Agent, request } from 'undici';
import type { Evidence } from '../../../signer-sidecar/src/evidence/types.ts';
import type { ConsensusMethod, ConsensusResponse, NodeStatus } from '../../../signer-sidecar/src/ops/types.ts';
import { ports } from '../names.ts';
import { DoorError } from './errors.ts';

/** One door: where it is, and what it must prove. */
export interface DoorTarget {
  /** Address of the pod; a Service would hide pods that are not ready. */
  readonly address: string;
  /** Name that its certificate must carry, `<node>.<namespace>.svc`. */
  readonly servername: string;
  /** CA certificates of its organization, PEM. Other organizations' certificates are refused. */
  readonly caBundle: string;
  /** Default 9443. */
  readonly port?: number;
}

/** Client certificate and key of the operator, PEM. */
export interface ClientCredentials {
  readonly certificate: string;
  readonly key: string;
}

export interface DoorClientOptions {
  /** Asked before each call, so it should keep what it read; a new answer takes effect with the next call. */
  readonly credentials: () => Promise<ClientCredentials | undefined> | ClientCredentials | undefined;
  /** Milliseconds to connect, and as many to wait for the answer. Default 3000. */
  readonly timeoutMs?: number;
  /** Largest answer taken, bytes. Default 4 MiB. */
  readonly maxAnswerBytes?: number;
}

/** Trust of one organization and the operator's certificate: changes with either. */
interface Pool {
  readonly fingerprint: string;
  readonly agent: Agent;
}

/** Talks mutual TLS to the ops port of the sidecars of nodes and transaction managers. */
export class DoorClient {
  readonly #options: DoorClientOptions;
  readonly #pools = new Map<string, Pool>();
  readonly #timeoutMs: number;
  readonly #maxAnswerBytes: number;

  constructor(options: DoorClientOptions) {
    this.#options = options;
    this.#timeoutMs = options.timeoutMs ?? 3000;
    this.#maxAnswerBytes = options.maxAnswerBytes ?? 4 * 1024 * 1024;
  }

  /** What the node says of itself. @throws DoorError */
  async status(target: DoorTarget): Promise<NodeStatus> {
    return this.#json<NodeStatus>(target, 'GET', '/status');
  }

  /** What the kernel says of the processes in the pod. @throws DoorError */
  async evidence(target: DoorTarget): Promise<Evidence> {
    return this.#json<Evidence>(target, 'GET', '/evidence');
  }

  /** Metrics in Prometheus' text format. @throws DoorError */
  async metrics(target: DoorTarget): Promise<string> {
    return this.#call(target, 'GET', '/metrics');
  }

  /**
   * One of the consensus and peer calls that the ops port lets through.
   * @returns the result of the JSON-RPC call.
   * @throws DoorError, of kind `rpc` when the node answered with an error.
   */
  async consensus(target: DoorTarget, method: ConsensusMethod, params: readonly unknown[] = []): Promise<unknown> {
    const answer = await this.#json<ConsensusResponse>(target, 'POST', '/consensus', { method, params });
    if ('error' in answer) {
      throw new DoorError(
        'rpc',
        `${target.servername} answered ${method} with error ${answer.error.code}: ${answer.error.message}`,
      );
    }
    return answer.result;
  }

  /** Closes all connections. */
  async close(): Promise<void> {
    const pools = [...this.#pools.values()];
    this.#pools.clear();
    await Promise.all(pools.map((pool) => pool.agent.close()));
  }

  async #json<T>(target: DoorTarget, method: 'GET' | 'POST', path: string, body?: unknown): Promise<T> {
    const text = await this.#call(target, method, path, body);
    try {
      return JSON.parse(text) as T;
    } catch (error) {
      throw new DoorError('answer', `${target.servername}${path} did not answer with JSON`, { cause: error });
    }
  }

  async #call(target: DoorTarget, method: 'GET' | 'POST', path: string, body?: unknown): Promise<string> {
    const host = isIPv6(target.address) ? `[${target.address}]` : target.address;
    const port = target.port ?? ports.ops;
    const dispatcher = await this.#agentOf(target);
    let answer: Awaited<ReturnType<typeof request>>;
    let text: string;
    try {
      answer = await request(`https://${host}:${port}${path}`, {
        method,
        dispatcher,
        // undici takes the server name for TLS from this header, and with it the name to verify.
        headers: { host: target.servername, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(2 * this.#timeoutMs),
      });
      text = await answer.body.text();
    } catch (error) {
      throw new DoorError(
        'unreachable',
        `${target.servername} (${host}:${port}) cannot be reached: ${reasonOf(error)}`,
        { cause: error },
      );
    }
    if (answer.statusCode < 200 || answer.statusCode > 299) {
      throw new DoorError('refused', `${target.servername} refused ${method} ${path} with status ${answer.statusCode}`);
    }
    return text;
  }

  async #agentOf(target: DoorTarget): Promise<Agent> {
    const credentials = await this.#options.credentials();
    if (!credentials) {
      throw new DoorError(
        'credentials',
        "the operator's client certificate does not exist yet; the Consortium controller makes it",
      );
    }
    // One pool an organization: a connection is only ever reused under the trust it was made with.
    const organization = sha256(target.caBundle);
    const fingerprint = sha256(`${organization} ${credentials.certificate}`);
    const known = this.#pools.get(organization);
    if (known?.fingerprint === fingerprint) return known.agent;
    const agent = new Agent({
      connections: 4,
      keepAliveTimeout: 40_000,
      headersTimeout: this.#timeoutMs,
      bodyTimeout: this.#timeoutMs,
      maxResponseSize: this.#maxAnswerBytes,
      connect: {
        ca: target.caBundle,
        cert: credentials.certificate,
        key: credentials.key,
        minVersion: 'TLSv1.2',
        timeout: this.#timeoutMs,
      },
    });
    this.#pools.set(organization, { fingerprint, agent });
    // Calls under way end on the old connections.
    if (known) void known.agent.close().catch(() => undefined);
    return agent;
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = (error as NodeJS.ErrnoException).code;
  return code ? `${code} ${error.message}` : error.message;
}
