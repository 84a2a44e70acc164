/** What an audit entry says. It names, counts and hashes; it never holds a secret, a message or the data of a call. */
import type { TransactionBody } from '../transactions/encode.ts';

/** What a signature is for, read from what was asked, never from what a client calls it. */
export type Purpose =
  | {
      kind: 'transaction';
      /** 0 legacy, 1 EIP-2930, 2 EIP-1559. */
      type: 0 | 1 | 2;
      chainId: number;
      nonce: number;
      /** Absent: creates a contract. */
      to?: string;
      /** Wei, decimal. */
      value: string;
      /** Decimal. */
      gas: string;
      /** The first four bytes of a call's data, 0x and hex; absent for a creation and for shorter data. */
      selector?: string;
      dataBytes: number;
    }
  | { kind: 'message'; bytes: number }
  | { kind: 'typed-data'; primaryType: string; domain: TypedDomain }
  | { kind: 'checkpoint'; number: number };

/** The fields of an EIP-712 domain, each cut at 200 characters. */
export type TypedDomain = Partial<Record<'name' | 'version' | 'chainId' | 'verifyingContract' | 'salt', string>>;

/** Who asked. The signer itself (gap fillers, checkpoints) has the issuer `quorum-operator`. */
export interface Who {
  issuer: string;
  subject: string;
}

/** Why it was allowed: the rules that had to agree, in words that name them. */
export interface Verdict {
  result: 'allowed';
  rules: string[];
}

export interface AuditEntry {
  /** When the entry was made, RFC 3339, before the signature. */
  time: string;
  who: Who;
  /** Lower case. */
  account: string;
  /** CKA_ID, hex. */
  keyId: string;
  /** What the HSM is asked to sign: 32 bytes, 0x and hex. It commits to everything that the purpose leaves out. */
  digest: string;
  method: string;
  purpose: Purpose;
  verdict: Verdict;
}

/** Who asked, by which method, and why that is allowed. */
export interface Origin {
  who: Who;
  method: string;
  verdict: Verdict;
}

/** An entry of this moment. */
export function auditEntry(
  origin: Origin,
  account: { address: string; keyId: string },
  digest: Uint8Array,
  purpose: Purpose,
): AuditEntry {
  return {
    time: new Date().toISOString(),
    who: { issuer: origin.who.issuer, subject: origin.who.subject },
    account: account.address,
    keyId: account.keyId,
    digest: `0x${Buffer.from(digest).toString('hex')}`,
    method: origin.method,
    purpose,
    verdict: origin.verdict,
  };
}

/** What the signer signs on its own account, and why. */
export function ownOrigin(node: string, method: 'checkpoint' | 'filler', rule: string): Origin {
  const who = { issuer: 'quorum-operator', subject: `node/${node}` };
  return { who, method, verdict: { result: 'allowed', rules: [rule] } };
}

export function transactionPurpose(body: TransactionBody, nonce: number): Purpose {
  const { type, chainId, to, value, gas, data } = body;
  const dataBytes = (data.length - 2) / 2;
  return {
    kind: 'transaction',
    type,
    chainId,
    nonce,
    ...(to === undefined ? {} : { to }),
    value: value.toString(),
    gas: gas.toString(),
    ...(to === undefined || dataBytes < 4 ? {} : { selector: data.slice(0, 10) }),
    dataBytes,
  };
}

const domainFields = ['name', 'version', 'chainId', 'verifyingContract', 'salt'] as const;
const MAX_TEXT = 200;

export function typedDataPurpose(primaryType: string, domain: Record<string, unknown>): Purpose {
  const cut: TypedDomain = {};
  for (const field of domainFields) {
    const value = domain[field];
    if (value !== undefined && value !== null) cut[field] = String(value).slice(0, MAX_TEXT);
  }
  return { kind: 'typed-data', primaryType: primaryType.slice(0, MAX_TEXT), domain: cut };
}
