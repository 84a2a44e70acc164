import { request } from 'undici';

const TIMEOUT_MS = 2_000;
/** Tessera's metrics are some tens of KiB. */
const MAX_BODY = 4 * 1024 * 1024;

/** The transaction manager beside us, on loopback. */
export class Tessera {
  readonly #base: string;

  constructor(thirdParty: string) {
    this.#base = thirdParty.replace(/\/$/, '');
  }

  /** Whether `GET /upcheck` is answered with 200 within two seconds. */
  async up(): Promise<boolean> {
    try {
      await this.#get('/upcheck');
      return true;
    } catch {
      return false;
    }
  }

  /** Its metrics as it writes them, or undefined when it does not answer. */
  async metrics(): Promise<string | undefined> {
    return this.#get('/metrics').catch(() => undefined);
  }

  /** Version and public keys, as far as it answers. */
  async facts(): Promise<{ version?: string; publicKeys?: string[] }> {
    const [version, keys] = await Promise.all([
      this.#get('/version').catch(() => undefined),
      this.#get('/keys').catch(() => undefined),
    ]);
    return {
      ...(version === undefined ? {} : { version: version.trim().replaceAll('"', '') }),
      ...(keys === undefined ? {} : { publicKeys: parseKeys(keys) }),
    };
  }

  async #get(path: string): Promise<string> {
    const response = await request(this.#base + path, { headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS });
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of response.body) {
      size += (chunk as Buffer).length;
      if (size > MAX_BODY) throw new Error(`${path} is larger than ${MAX_BODY} bytes`);
      chunks.push(chunk as Buffer);
    }
    if (response.statusCode !== 200) throw new Error(`${path} answered ${response.statusCode}`);
    return Buffer.concat(chunks).toString('utf8');
  }
}

/** `{"keys":[{"key":"…"}]}` */
function parseKeys(text: string): string[] {
  try {
    const { keys } = JSON.parse(text) as { keys?: { key?: unknown }[] };
    return (keys ?? []).map((entry) => entry.key).filter((key): key is string => typeof key === 'string');
  } catch {
    return [];
  }
}
