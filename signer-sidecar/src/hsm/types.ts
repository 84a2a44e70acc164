/** How to reach a token and its keys through a PKCS#11 module. Everything here is safe to log: it names files, not secrets. */
export interface HsmOptions {
  /** Absolute path of the PKCS#11 shared library. */
  readonly modulePath: string;
  readonly tokenLabel: string;
  readonly tokenSerial: string;
  /** File that holds the user PIN; read in the child process only. Surrounding white space is dropped. */
  readonly pinFile: string;
  /** Read-write sessions kept open, which is also the number of signatures made at once. */
  readonly sessions: number;
  /** Deadline for one signature in milliseconds, queueing included. */
  readonly signTimeoutMs: number;
  /** SoftHSM only: where the packed token is, and the folder of a memory volume it is unpacked into. */
  readonly softhsm?: { readonly archiveFile: string; readonly directory: string };
}

/** What the module says about a private key, read back from it. */
export interface HsmKeyAttributes {
  readonly sensitive: boolean;
  readonly extractable: boolean;
  readonly alwaysSensitive: boolean;
  readonly neverExtractable: boolean;
  readonly local: boolean;
  readonly sign: boolean;
  readonly derive: boolean;
  readonly modifiable: boolean;
}

export interface HsmKey {
  /** CKA_ID, hex without 0x. */
  readonly id: string;
  readonly label: string;
  /** EIP-55 address. */
  readonly address: string;
  /** Uncompressed point, `0x04` and 128 hex digits. */
  readonly publicKey: `0x04${string}`;
  readonly attributes: HsmKeyAttributes;
}

export interface HsmSignature {
  /** 32 bytes, hex with 0x. */
  readonly r: `0x${string}`;
  /** 32 bytes, hex with 0x; always in the lower half of the curve's order. */
  readonly s: `0x${string}`;
  readonly yParity: 0 | 1;
}

export interface HsmClient {
  /** Keys found on the token at the last login; empty before the first. */
  keys(): readonly HsmKey[];
  /** True while signatures can be had. */
  ready(): boolean;
  /** Why `ready()` is false, or the last thing that went wrong; names codes and files, never a PIN. */
  lastError(): { readonly code: string; readonly message: string } | undefined;
  /**
   * Signs 32 bytes with the key of that CKA_ID (hex). The signature is low-s, and the key recovered from it has been
   * compared with the known one before it is returned.
   * @throws HsmError
   */
  sign(keyId: string, digest: Uint8Array): Promise<HsmSignature>;
  /** Lets signatures in flight end (bounded by the deadline), then ends the child process. */
  stop(): Promise<void>;
}
