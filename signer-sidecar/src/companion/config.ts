import { readFileSync } from 'node:fs';
import { z } from 'zod';

const file = z.string().startsWith('/');
const port = z.int().min(0).max(65535);
const listener = (defaultPort: number) =>
  z.strictObject({ host: z.string().min(1).default('0.0.0.0'), port: port.default(defaultPort) }).prefault({});

/** `companion.json`, written by the operator for the container that stands beside Tessera. */
export const companionConfigSchema = z.strictObject({
  node: z.strictObject({
    name: z.string().min(1),
    namespace: z.string().min(1),
    organization: z.string().min(1),
    consortium: z.string().min(1),
  }),
  listen: z.strictObject({ ops: listener(9443), probes: listener(8080) }).prefault({}),
  tls: z.strictObject({ certFile: file, keyFile: file, organizationCaFile: file, operatorCaFile: file }),
  tessera: z.strictObject({ thirdParty: z.url().default('http://127.0.0.1:9080') }).prefault({}),
  evidence: z
    .strictObject({
      processes: z
        .array(z.strictObject({ container: z.string().min(1), uid: z.int().min(0), command: z.string().optional() }))
        .default([]),
    })
    .prefault({}),
});

export type CompanionConfig = z.infer<typeof companionConfigSchema>;
/** What companion.json may look like: everything with a default is optional. */
export type CompanionConfigInput = z.input<typeof companionConfigSchema>;

/** @throws Error naming each field that is missing or malformed */
export function readCompanionConfig(path: string): CompanionConfig {
  const parsed = companionConfigSchema.safeParse(JSON.parse(readFileSync(path, 'utf8')));
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  throw new Error(`${path} is not a valid companion configuration: ${problems.join('; ')}`);
}
