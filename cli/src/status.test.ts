import type { QuorumNode } from '@quorum-operator/operator/api/quorum-node.ts';
import { expect, test } from 'vitest';
import { type NetworkState, renderStatus } from './status.ts';

const now = new Date('2026-01-01T00:01:00Z');

function condition(type: string, status: 'True' | 'False', reason: string, message = '') {
  return { type, status, reason, message, lastTransitionTime: '2026-01-01T00:00:00Z', observedGeneration: 1 };
}

function state(node: Partial<QuorumNode['status']>): NetworkState {
  return {
    consortiums: [
      {
        apiVersion: 'quorum-operator.io/v1alpha1',
        kind: 'Consortium',
        metadata: { name: 'demo' },
        spec: { environment: 'Development', chainId: 83210 },
        status: { observedGeneration: 1, conditions: [condition('Ready', 'True', 'Succeeded')] },
      },
    ],
    quorumNodes: [
      {
        apiVersion: 'quorum-operator.io/v1alpha1',
        kind: 'QuorumNode',
        metadata: { name: 'alpha-validator', namespace: 'demo-alpha' },
        spec: { consortiumRef: { name: 'demo' }, role: 'Validator' },
        status: { observedGeneration: 1, conditions: [], ...node },
      },
    ],
    tesseraNodes: [],
    hsmSigners: [],
  } as unknown as NetworkState;
}

test('a healthy network says that nothing is wrong', () => {
  const text = renderStatus(
    state({
      conditions: [condition('Ready', 'True', 'Succeeded'), condition('Sealing', 'True', 'Sealing')],
      peers: 3,
      lastBlock: { number: 12, time: '2026-01-01T00:00:58Z' },
    }),
    now,
  );
  expect(text).toContain('Consortium demo, chain 83210, Development, Ready');
  expect(text).toMatch(/demo-alpha\/alpha-validator {2}Validator {2}yes {4}yes {4}3 {6}12 {5}2s/);
  expect(text).toContain('Nothing is wrong.');
});

test('what is not Ready is named with its reason', () => {
  const text = renderStatus(state({ conditions: [condition('Ready', 'False', 'NoPeers', 'no peer answers')] }), now);
  expect(text).toContain('QuorumNode demo-alpha/alpha-validator: NoPeers: no peer answers');
  expect(text).not.toContain('Nothing is wrong.');
});

test('without a Consortium it says so', () => {
  expect(renderStatus({ consortiums: [], quorumNodes: [], tesseraNodes: [], hsmSigners: [] }, now)).toBe(
    'No Consortium in this cluster.\n',
  );
});
