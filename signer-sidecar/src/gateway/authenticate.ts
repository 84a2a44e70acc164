/** Who is asking: a token, else a client certificate, else nobody. Failures are counted per address. */
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import type { DoorConfig } from '../config.ts';
import { missingToken, RpcError, rateLimited } from '../errors.ts';
import { type CertificateRole, identifyCertificate, type TrustedAuthorities } from './certificates.ts';
import type { Identity } from './identity.ts';
import { RateLimiter } from './limits.ts';
import { Scopes } from './scopes.ts';
import { bearer, type TokenVerifier } from './tokens.ts';

const observing = [
  'rpc://eth_blockNumber',
  'rpc://eth_chainId',
  'rpc://eth_getBlockByNumber',
  'rpc://eth_syncing',
  'rpc://istanbul_*',
  'rpc://net_*',
  'rpc://txpool_status',
  'rpc://web3_*',
];

/** What a certificate's role may do at the users' door. Nobody signs with a certificate: signing is for users. */
const scopesByRole: Record<CertificateRole, Scopes> = {
  operator: new Scopes(observing),
  monitoring: new Scopes(observing),
  node: new Scopes([
    ...observing,
    'rpc://eth_sendRawTransaction',
    'rpc://eth_getTransactionCount',
    'rpc://eth_getTransactionByHash',
    'rpc://eth_getTransactionReceipt',
  ]),
  signer: new Scopes([]),
  tessera: new Scopes([]),
  postgres: new Scopes([]),
};

export class Authenticator {
  readonly #tokens: TokenVerifier;
  readonly #own: { consortium: string; organization: string };
  readonly #trusted: () => TrustedAuthorities;
  /** Requests without a token that is known to be good; a good one gives its token back. */
  readonly #strangers: RateLimiter;
  readonly #certificates = new WeakMap<object, Identity>();

  constructor(
    tokens: TokenVerifier,
    node: DoorConfig['node'],
    trusted: () => TrustedAuthorities,
    strangers: RateLimiter = new RateLimiter({ perSecond: 20, burst: 60 }),
  ) {
    this.#tokens = tokens;
    this.#own = { consortium: node.consortium, organization: node.organization };
    this.#trusted = trusted;
    this.#strangers = strangers;
  }

  /** @throws RpcError 401 or 429 */
  async identify(request: IncomingMessage): Promise<Identity> {
    const token = bearer(request.headers.authorization) ?? bearerOfProtocol(request);
    const known = token === undefined ? this.#knownCertificate(request) : this.#tokens.cached(token);
    if (known !== undefined) return known;
    const address = request.socket.remoteAddress ?? 'unknown';
    const wait = this.#strangers.take(address);
    if (wait > 0) throw rateLimited(wait, 'address');
    const identity = token === undefined ? this.#certificate(request) : await this.#tokens.verify(token);
    this.#strangers.refund(address);
    return identity;
  }

  #knownCertificate(request: IncomingMessage): Identity | undefined {
    const known = this.#certificates.get(request.socket);
    return known !== undefined && known.expiresAt > Date.now() ? known : undefined;
  }

  #certificate(request: IncomingMessage): Identity {
    const raw = (request.socket as TLSSocket).getPeerCertificate?.()?.raw;
    if (raw === undefined) throw missingToken();
    const found = identifyCertificate(raw, this.#trusted(), this.#own);
    if (found instanceof RpcError) throw found;
    const identity: Identity = {
      kind: 'certificate',
      issuer: `certificate:${found.consortium}/${found.organization}`,
      subject: `${found.role}/${found.name}`,
      scopes: scopesByRole[found.role],
      expiresAt: found.expiresAt,
    };
    this.#certificates.set(request.socket, identity);
    return identity;
  }
}

/** Browsers cannot set headers on a WebSocket: they offer the sub-protocol `bearer.<JWT>` beside `quorum-rpc`. */
function bearerOfProtocol(request: IncomingMessage): string | undefined {
  if (request.headers.upgrade === undefined) return undefined;
  const offered = request.headers['sec-websocket-protocol']?.split(',').map((name) => name.trim()) ?? [];
  return offered.find((name) => name.startsWith('bearer.'))?.slice('bearer.'.length);
}
