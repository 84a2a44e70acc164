import { createECDH } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { keccak256 } from 'ethers';
import { memoize } from '../memoize.ts';
import { ports } from '../names.ts';

/** A node's public identity; everything here follows from its key. */
export interface NodeIdentity {
  /** Uncompressed secp256k1 public key without the leading 04: 128 hex digits, lower case. The user part of an enode URL. */
  readonly publicKey: string;
  /** Validator address: 0x and 40 hex digits, lower case. */
  readonly address: string;
  /** devp2p node id as `admin_peers` prints it: keccak256 of the public key, 64 hex digits; its last 40 are the address. */
  readonly nodeId: string;
}

/** A node's key as the Secret `<node>-nodekey` holds it. `nodekey` is secret: 64 hex digits, the form geth's `--nodekey` reads. */
export interface NodeKey extends NodeIdentity {
  readonly nodekey: string;
}

/** Makes a new key from the system's random source. */
export function generateNodeKey(): NodeKey {
  const curve = createECDH('secp256k1');
  curve.generateKeys();
  const nodekey = curve.getPrivateKey('hex').padStart(64, '0');
  return { nodekey, ...nodeIdentity(nodekey) };
}

/**
 * Identity of an existing key. Results are remembered: every reconcile of a Consortium looks at the keys of all its nodes, and
 * deriving one takes a millisecond.
 * @param nodekey 64 hex digits; white space around them is accepted, as geth accepts it.
 * @throws Error without the key in its text, when this is no secp256k1 private key.
 */
export const nodeIdentity: (nodekey: string) => NodeIdentity = memoize(deriveIdentity);

function deriveIdentity(nodekey: string): NodeIdentity {
  const digits = nodekey.trim();
  if (!/^[0-9a-fA-F]{64}$/.test(digits)) {
    throw new Error('a node key is 64 hexadecimal digits without 0x; this value has another form');
  }
  const curve = createECDH('secp256k1');
  try {
    curve.setPrivateKey(digits, 'hex');
  } catch {
    throw new Error('this value is no secp256k1 private key: it must be above 0 and below the order of the curve');
  }
  return identityOfPublicKey(curve.getPublicKey('hex', 'uncompressed').slice(2));
}

/**
 * Identity of a public key.
 * @param publicKey 128 hex digits, as in an enode URL.
 */
export function identityOfPublicKey(publicKey: string): NodeIdentity {
  const lower = publicKey.toLowerCase();
  if (!/^[0-9a-f]{128}$/.test(lower)) throw new Error('a node public key is 128 hexadecimal digits');
  const nodeId = keccak256(`0x${lower}`).slice(2);
  return { publicKey: lower, address: `0x${nodeId.slice(-40)}`, nodeId };
}

/**
 * Enode URL by an address that stays: a Service's cluster IP or a name. `discport=0` says that the node has no discovery port, since discovery
 * over UDP is neither needed nor allowed by the network policies.
 */
export function enodeUrl(publicKey: string, host: string, port: number = ports.peer): string {
  return `enode://${publicKey}@${isIPv6(host) ? `[${host}]` : host}:${port}?discport=0`;
}

/** Takes an enode URL apart; undefined when it is none. */
export function parseEnode(url: string): { publicKey: string; host: string; port: number } | undefined {
  const match = /^enode:\/\/([0-9a-fA-F]{128})@(\[[0-9a-fA-F:.]+\]|[^:/?#[\]]+):(\d{1,5})(?:\?[^#]*)?$/.exec(url);
  if (!match) return undefined;
  const port = Number(match[3]);
  if (port < 1 || port > 65535) return undefined;
  return { publicKey: match[1]!.toLowerCase(), host: match[2]!.replace(/^\[|\]$/g, ''), port };
}
