/**
 * One text for one value, as RFC 8785 has it for what the audit log holds: keys sorted by UTF-16 code units, no white
 * space, strings and whole numbers as JSON.stringify writes them. Fields that are undefined are left out.
 * @throws Error for a number that is not a safe integer: it could be written in more than one way
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value).filter(([, item]) => item !== undefined);
    fields.sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${fields.map(([name, item]) => `${JSON.stringify(name)}:${canonicalJson(item)}`).join(',')}}`;
  }
  const known =
    value === null || typeof value === 'string' || typeof value === 'boolean' || Number.isSafeInteger(value);
  if (!known || Object.is(value, -0)) throw new Error(`no canonical form for ${String(value)}`);
  return JSON.stringify(value);
}
