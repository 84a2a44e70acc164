/** Powers of ten of the decimal suffixes, in nano-units of the whole. */
const DECIMAL: Record<string, number> = { n: 0, u: 3, m: 6, '': 9, k: 12, M: 15, G: 18, T: 21, P: 24, E: 27 };
const BINARY: Record<string, bigint> = { Ki: 10n, Mi: 20n, Gi: 30n, Ti: 40n, Pi: 50n, Ei: 60n };

const FORM = /^([+-]?)(\d*)(?:\.(\d*))?(?:(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)|[eE]([+-]?\d{1,2}))?$/;

/**
 * A Kubernetes quantity in billionths, rounded up as apimachinery does: "1" and "1000m" are both 1000000000n.
 * @returns undefined for what is no quantity
 */
export function parseQuantity(value: unknown): bigint | undefined {
  const match = FORM.exec(typeof value === 'number' ? String(value) : typeof value === 'string' ? value : '');
  if (match === null) {
    return undefined;
  }
  const [, sign, whole = '', fraction = '', suffix = '', exponent] = match;
  if (whole === '' && fraction === '') {
    return undefined;
  }
  const digits = BigInt(`${whole}${fraction}`);
  const shift = BINARY[suffix];
  const power = (shift === undefined ? DECIMAL[suffix]! : 9) + Number(exponent ?? 0) - fraction.length;
  const scaled = shift === undefined ? digits : digits << shift;
  const nano = power >= 0 ? scaled * 10n ** BigInt(power) : divideUp(scaled, 10n ** BigInt(-power));
  return sign === '-' ? -nano : nano;
}

function divideUp(value: bigint, by: bigint): bigint {
  return (value + by - 1n) / by;
}
