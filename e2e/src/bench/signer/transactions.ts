/** The transaction that every way to sign gets: legacy (EIP-155), 68 bytes of data, as an ERC-20 transfer has. */
export const CHAIN_ID = 83210;
export const TO = `0x${'33'.repeat(20)}`;
export const DATA = `0xa9059cbb${'00'.repeat(12)}${'44'.repeat(20)}${'00'.repeat(30)}2a2a`;
export const GAS = 60_000n;
