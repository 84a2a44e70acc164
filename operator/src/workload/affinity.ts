import type { Consortium } from '../api/consortium.ts';
import { labels } from '../names.ts';
import type { Environment } from './resources.ts';

/** No two pods of the consortium on one machine: neither two nodes, nor a node and a transaction manager or database. */
function apart(consortiumName: string): Record<string, unknown> {
  const consortium = { matchLabels: { [labels.consortium]: consortiumName } };
  return {
    podAntiAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        {
          topologyKey: 'kubernetes.io/hostname',
          namespaceSelector: consortium,
          labelSelector: {
            ...consortium,
            matchExpressions: [{ key: labels.component, operator: 'In', values: ['node', 'tessera', 'postgres'] }],
          },
        },
      ],
    },
  };
}

/** Label by which clouds and administrators say in which region a machine and its disks are. */
export const REGION_LABEL = 'topology.kubernetes.io/region';

/** Only machines of the regions. A volume is made where its pod is placed, or it keeps its pod from being placed elsewhere. */
function within(regions: readonly string[]): Record<string, unknown> {
  const expression = { key: REGION_LABEL, operator: 'In', values: [...regions].sort() };
  return {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: [expression] }] },
    },
  };
}

export interface Placement {
  readonly environment: Environment;
  readonly consortium: string;
  /** Regions that may keep the organization's data; empty: any. */
  readonly regions: readonly string[];
}

/** Where a pod may run, as the part `affinity` of its spec; nothing where anywhere will do. */
export function podAffinity({ environment, consortium, regions }: Placement): { affinity?: Record<string, unknown> } {
  const affinity = {
    ...(regions.length > 0 ? within(regions) : {}),
    ...(environment === 'Production' ? apart(consortium) : {}),
  };
  return Object.keys(affinity).length > 0 ? { affinity } : {};
}

/** `jurisdictions` of an organization, by its name. */
export function regionsOf(consortium: Consortium | undefined, organization: string): readonly string[] {
  return consortium?.spec.organizations.find(({ name }) => name === organization)?.jurisdictions ?? [];
}
