import { labels } from '../names.ts';

/** No two pods of the consortium on one machine: neither two nodes, nor a node and a transaction manager or database. */
export function apart(consortiumName: string): Record<string, unknown> {
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
