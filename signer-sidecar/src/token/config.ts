import { readFileSync } from 'node:fs';
import { z } from 'zod';

const file = z.string().startsWith('/');
/** PKCS#11 gives labels of tokens 32 bytes; those of keys have no bound. */
const label = z.string().min(1).max(32);
const keys = z.array(z.strictObject({ name: z.string().min(1), label: z.string().min(1).max(64) }));

/** What `token-init` makes: two tokens, so that the sidecar's own PIN opens no account. */
export const tokenConfigSchema = z.strictObject({
  modulePath: file,
  /** A memory volume; holds the tokens only until they are packed. */
  directory: file,
  pins: z.strictObject({ securityOfficerFile: file, serviceFile: file, accountFile: file }),
  account: z.strictObject({ label, keys: keys.min(1) }),
  service: z.strictObject({ label, keys: keys.min(1) }),
  /** The Secret that receives `token.tar.gz` and `token.json`; it must exist. */
  secret: z.strictObject({ namespace: z.string().min(1), name: z.string().min(1) }),
  apiServer: z.strictObject({
    /** Absent: the address that Kubernetes gives every container. */
    url: z.url().optional(),
    tokenFile: file,
    caFile: file,
  }),
});

export type TokenConfig = z.infer<typeof tokenConfigSchema>;

/** @throws Error naming each field that is missing or malformed */
export function readTokenConfig(path: string): TokenConfig {
  const parsed = tokenConfigSchema.safeParse(JSON.parse(readFileSync(path, 'utf8')));
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  throw new Error(`${path} is not a valid token configuration: ${problems.join('; ')}`);
}
