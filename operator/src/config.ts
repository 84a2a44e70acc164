import { z } from 'zod';

const image = z.string().min(1);

const environment = z.object({
  OPERATOR_NAMESPACE: z.string().min(1),
  OPERATOR_SERVICE_ACCOUNT: z.string().min(1).default('quorum-operator'),
  OPERATOR_POD_NAME: z.string().min(1).default('quorum-operator'),
  SIDECAR_IMAGE: image,
  DEFAULT_QUORUM_IMAGE: image.optional(),
  DEFAULT_TESSERA_IMAGE: image.optional(),
  DEFAULT_SOFTHSM_IMAGE: image.optional(),
  DEFAULT_POSTGRES_IMAGE: image.optional(),
  LEADER_ELECTION: z.enum(['true', 'false']).default('true'),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error']).default('info'),
  TRUST_SPREAD_SECONDS: z.coerce.number().int().min(0).max(604_800).default(600),
  METRICS_PORT: z.coerce.number().int().min(1).max(65535).default(9402),
  HEALTH_PORT: z.coerce.number().int().min(1).max(65535).default(9403),
});

/** Settings of the operator process. Image defaults apply to resources with `environment: Development` only. */
export interface OperatorConfig {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly podName: string;
  readonly sidecarImage: string;
  readonly defaultImages: {
    readonly quorum?: string;
    readonly tessera?: string;
    readonly softhsm?: string;
    readonly postgres?: string;
  };
  /** Seconds that a changed bundle of certificate authorities is given to reach every process, before anything rests on it. */
  readonly trustSpreadSeconds: number;
  readonly leaderElection: boolean;
  readonly logLevel: string;
  readonly metricsPort: number;
  readonly healthPort: number;
}

/**
 * Reads the operator's settings from environment variables.
 * @throws Error that names each variable that is missing or malformed.
 */
export function readConfig(env: Record<string, string | undefined>): OperatorConfig {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const parsed = environment.safeParse(given);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new Error(`The operator cannot start, fix these environment variables: ${problems.join('; ')}`);
  }
  const value = parsed.data;
  return {
    namespace: value.OPERATOR_NAMESPACE,
    serviceAccount: value.OPERATOR_SERVICE_ACCOUNT,
    podName: value.OPERATOR_POD_NAME,
    sidecarImage: value.SIDECAR_IMAGE,
    defaultImages: {
      quorum: value.DEFAULT_QUORUM_IMAGE,
      tessera: value.DEFAULT_TESSERA_IMAGE,
      softhsm: value.DEFAULT_SOFTHSM_IMAGE,
      postgres: value.DEFAULT_POSTGRES_IMAGE,
    },
    trustSpreadSeconds: value.TRUST_SPREAD_SECONDS,
    leaderElection: value.LEADER_ELECTION === 'true',
    logLevel: value.LOG_LEVEL,
    metricsPort: value.METRICS_PORT,
    healthPort: value.HEALTH_PORT,
  };
}
