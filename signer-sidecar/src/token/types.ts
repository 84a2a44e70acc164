import type { HsmKey } from '../hsm/types.ts';

/** A key as token.json lists it: what the token says, and the name it has in the HsmSigner. */
export interface TokenKey extends HsmKey {
  readonly name: string;
}

export interface TokenRecord {
  readonly label: string;
  readonly serial: string;
  readonly keys: readonly TokenKey[];
}

/** `token.json`: nothing in it is secret. The account token stands at the top, the service token in a field of its own. */
export interface TokenFile extends TokenRecord {
  readonly version: 1;
  readonly service: TokenRecord;
}
