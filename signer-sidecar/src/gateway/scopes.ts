/**
 * Scopes of a token, in the grammar of GoQuorum's security plugin: `rpc://<module>_<method>`, where module or method
 * may be `*`, and `.` may stand for the first `_`. Anything else in the claim is for others and is ignored.
 */

/** Methods that sign something other than a transaction: only a scope that names them in full grants them. */
const exactOnly = new Set(['eth_sign', 'personal_sign', 'eth_signTypedData', 'eth_signTypedData_v4']);

const pattern = /^rpc:\/\/(\*|[a-zA-Z][a-zA-Z0-9]*)[_.](\*|[a-zA-Z][a-zA-Z0-9_]*)$/;

export class Scopes {
  readonly #exact = new Set<string>();
  readonly #modules = new Set<string>();
  readonly #methods = new Set<string>();
  #all = false;

  /** @param granted the single scopes, as they stand in the token */
  constructor(granted: Iterable<string>) {
    for (const scope of granted) this.#add(scope);
  }

  #add(scope: string): void {
    const match = pattern.exec(scope);
    if (match === null) return;
    const [, module, method] = match as unknown as [string, string, string];
    if (module === '*' && method === '*') this.#all = true;
    else if (method === '*') this.#modules.add(module);
    else if (module === '*') this.#methods.add(method);
    else this.#exact.add(`${module}_${method}`);
  }

  /** @param method as in JSON-RPC, `module_method` */
  allows(method: string): boolean {
    return this.granting(method) !== undefined;
  }

  /** The scope that grants a method, the narrowest first. */
  granting(method: string): string | undefined {
    if (this.#exact.has(method)) return `rpc://${method}`;
    if (exactOnly.has(method)) return undefined;
    const cut = method.indexOf('_');
    if (cut < 1) return undefined;
    const [module, name] = [method.slice(0, cut), method.slice(cut + 1)];
    if (this.#modules.has(module)) return `rpc://${module}_*`;
    if (this.#methods.has(name)) return `rpc://*_${name}`;
    return this.#all ? 'rpc://*_*' : undefined;
  }
}

/** The scopes in a token's claims: `scope` (RFC 8693, space separated) or `scp`, each a string or an array. */
export function scopesOf(claims: Record<string, unknown>): Scopes {
  const granted: string[] = [];
  for (const claim of [claims.scope, claims.scp]) {
    if (typeof claim === 'string') granted.push(...claim.split(' '));
    else if (Array.isArray(claim)) granted.push(...claim.filter((item) => typeof item === 'string'));
  }
  return new Scopes(granted);
}

/** The scope to ask for when a method was denied. */
export function scopeFor(method: string): string {
  return `rpc://${method}`;
}
