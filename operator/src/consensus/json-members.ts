import type { Json } from './canonical-json.ts';

/** A parsed JSON object. */
export type JsonObject = { readonly [key: string]: Json | undefined };

/** Member of an object by Go's rule for JSON: the exact key, else one that differs in case only. */
export function member(object: JsonObject, key: string): Json | undefined {
  if (Object.hasOwn(object, key)) return object[key];
  const lower = key.toLowerCase();
  const found = Object.keys(object).find((candidate) => candidate.toLowerCase() === lower);
  return found === undefined ? undefined : object[found];
}

/** A whole number given as number, decimal or 0x-hex string; undefined when it is none or not exactly representable. */
export function number(value: Json | undefined): number | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : undefined;
  if (typeof value !== 'string' || !/^(0x[0-9a-fA-F]+|\d+)$/.test(value)) return undefined;
  const parsed = Number(BigInt(value));
  return Number.isSafeInteger(parsed) ? parsed : undefined;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
