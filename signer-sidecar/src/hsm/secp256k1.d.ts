/** The native bindings only: the package's index falls back silently to a slow implementation in JavaScript. */
declare module 'secp256k1/bindings.js' {
  interface Secp256k1 {
    /** Normalises a compact 64-byte signature to low-s in place and returns it. */
    signatureNormalize(signature: Uint8Array): Uint8Array;
    /** Recovers the 65-byte (uncompressed) public key; throws when there is none for this recovery id. */
    ecdsaRecover(
      signature: Uint8Array,
      recoveryId: number,
      digest: Uint8Array,
      compressed: boolean,
      output?: Uint8Array,
    ): Uint8Array;
    ecdsaVerify(signature: Uint8Array, digest: Uint8Array, publicKey: Uint8Array): boolean;
    ecdsaSign(digest: Uint8Array, privateKey: Uint8Array): { signature: Uint8Array; recid: number };
    publicKeyVerify(publicKey: Uint8Array): boolean;
    publicKeyCreate(privateKey: Uint8Array, compressed: boolean): Uint8Array;
  }
  const secp256k1: Secp256k1;
  export default secp256k1;
}
