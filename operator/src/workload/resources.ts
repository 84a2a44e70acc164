export type Environment = 'Production' | 'Development';

export interface ResourceRequirements {
  readonly requests?: Readonly<Record<string, string>> | undefined;
  readonly limits?: Readonly<Record<string, string>> | undefined;
}

type Workload = 'geth' | 'tessera' | 'sidecar' | 'init';

/**
 * Production is Guaranteed (requests = limits): a container that is killed for memory loses what it has not flushed.
 * Development asks for little, so that a network of several organizations fits two cores, and has no CPU limit.
 */
const defaults: Readonly<Record<Environment, Readonly<Record<Workload, ResourceRequirements>>>> = {
  Production: {
    geth: guaranteed('2', '4Gi'),
    tessera: guaranteed('1', '2Gi'),
    sidecar: guaranteed('500m', '512Mi'),
    init: guaranteed('500m', '512Mi'),
  },
  Development: {
    geth: { requests: { cpu: '50m', memory: '256Mi' }, limits: { memory: '512Mi' } },
    tessera: { requests: { cpu: '50m', memory: '256Mi' }, limits: { memory: '768Mi' } },
    sidecar: { requests: { cpu: '50m', memory: '160Mi' }, limits: { memory: '384Mi' } },
    init: { requests: { cpu: '20m', memory: '64Mi' }, limits: { memory: '256Mi' } },
  },
};

function guaranteed(cpu: string, memory: string): ResourceRequirements {
  return { requests: { cpu, memory }, limits: { cpu, memory } };
}

/** Resources of a container: what the custom resource says, else the default of its environment. */
export function containerResources(
  workload: Workload,
  environment: Environment,
  given?: ResourceRequirements | undefined,
): ResourceRequirements {
  if (!given || (!given.requests && !given.limits)) return defaults[environment][workload];
  return {
    ...(given.requests ? { requests: given.requests } : {}),
    ...(given.limits ? { limits: given.limits } : {}),
  };
}
