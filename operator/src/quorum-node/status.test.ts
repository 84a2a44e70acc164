import { describe, expect, it } from 'vitest';
import type { QuorumNodeStatus } from '../api/quorum-node.ts';
import { getCondition } from '../kube/conditions.ts';
import type { Condition } from '../kube/types.ts';
import { decide } from './decide.ts';
import type { NodeObservation } from './observation.ts';
import type { Rollout } from './rollout.ts';
import { status, suspendedStatus, verdict } from './status.ts';
import { NOW, nodeStatus, observe, observeServing, pod, quorumNode, statefulSet, tesseraNode } from './testing.ts';

const none: Rollout = { kind: 'none' };
const judge = (observation: NodeObservation, rollout: Rollout = none) =>
  verdict(observation, decide(observation), rollout);
const tell = (observation: NodeObservation) => status(observation, judge(observation), NOW);
const condition = (of: QuorumNodeStatus, type: string) => getCondition(of.conditions as Condition[], type);
const waiting = (reason: string) => ({ state: { waiting: { reason } } });
const lost = { ...waiting('CrashLoopBackOff'), lastState: { terminated: { exitCode: 112 } } };
const starting = (change: Partial<NodeObservation>) => observe({ statefulSet: statefulSet('one'), ...change });

const cases: [string, NodeObservation, Rollout, string, string][] = [
  ['serves', observeServing(), none, 'ready', 'Serving'],
  ['has no pod yet', starting({}), none, 'progressing', 'PodStarting'],
  ['starts', starting({ pod: pod({ ready: false }) }), none, 'progressing', 'PodStarting'],
  ['is stopping', observeServing({ pod: pod({ deleting: true }) }), none, 'progressing', 'RolloutUnderway'],
  [
    'fails again and again',
    starting({ pod: pod({ ready: false, geth: waiting('CrashLoopBackOff') }) }),
    none,
    'failing',
    'ContainerFailing',
  ],
  [
    'lost its transaction manager',
    starting({ pod: pod({ ready: false, geth: lost }) }),
    none,
    'failing',
    'TransactionManagerLost',
  ],
  [
    'has a silent door',
    starting({ pod: pod(), door: { at: NOW, error: 'no route' } }),
    none,
    'progressing',
    'DoorUnreachable',
  ],
  [
    'has a silent geth',
    observeServing({}, { reachable: false, upstreamError: 'refused' }),
    none,
    'progressing',
    'NodeUnreachable',
  ],
  ['has no peers', observeServing({}, { peers: 0 }), none, 'progressing', 'NoPeers'],
  ['has old blocks', observeServing({}, { blockTime: NOW.getTime() / 1000 - 60 }), none, 'progressing', 'BlocksStale'],
  [
    'waits for its restart',
    observeServing(),
    { kind: 'wait', message: 'b restarts.' },
    'progressing',
    'RolloutWaiting',
  ],
  ['waits for its genesis', observe({ genesis: undefined }), none, 'progressing', 'GenesisNotReady'],
  [
    'cannot go on',
    observeServing({ node: quorumNode({ organization: 'zulu' }) }),
    none,
    'stalled',
    'OrganizationUnknown',
  ],
];

describe('a node that', () => {
  it.each(cases)('%s', (_, observation, rollout, kind, reason) => {
    expect(judge(observation, rollout)).toMatchObject({ kind, reason });
  });
});

describe('a block counts as fresh', () => {
  it.each([
    [13, 'ready'],
    [15, 'progressing'],
  ])('at an age of %i s, period 2 s, round time-out 4 s: %s', (age, kind) => {
    expect(judge(observeServing({}, { blockTime: NOW.getTime() / 1000 - age })).kind).toBe(kind);
  });
});

describe('status', () => {
  it('says what the node is', () => {
    expect(tell(observeServing())).toMatchObject({
      observedGeneration: 1,
      peers: 3,
      validator: true,
      lastBlock: { number: 1000, time: '2026-03-01T11:59:58Z' },
      image: 'quorum-operator.local/quorum:1',
      digest: `sha256:${'c'.repeat(64)}`,
      clientVersion: 'Geth/v1.10.3-stable(quorum-v24.4.1)',
    });
    expect(tell(observeServing()).enode).toMatch(/^enode:\/\/[0-9a-f]{128}@10\.96\.0\.1:30303\?discport=0$/);
  });

  it.each([
    ['PeersConnected', 'True', {}],
    ['PeersConnected', 'False', { peers: 0 }],
    ['InValidatorSet', 'True', {}],
    ['InValidatorSet', 'False', { isValidator: false }],
    ['Sealing', 'True', {}],
    ['Sealing', 'False', { blockTime: 0 }],
  ])('has condition %s=%s', (type, value, says) => {
    expect(condition(tell(observeServing({}, says)), type)?.status).toBe(value);
  });

  it('has condition TesseraReachable only for a node with a Tessera', () => {
    const node = quorumNode({ role: 'Member', tesseraRef: { name: 'alpha-tessera' } });
    expect(condition(tell(observeServing()), 'TesseraReachable')).toBeUndefined();
    expect(condition(tell(observeServing({ node, tessera: tesseraNode(true) })), 'TesseraReachable')?.status).toBe(
      'True',
    );
    expect(condition(tell(observeServing({ node, tessera: tesseraNode(false) })), 'TesseraReachable')?.status).toBe(
      'False',
    );
  });

  const later = (seconds: number, previous: QuorumNodeStatus, says = {}) => {
    const time = NOW.getTime() + seconds * 1000;
    const door = {
      at: new Date(time),
      status: nodeStatus({
        time: new Date(time).toISOString(),
        blockNumber: 1000 + seconds,
        blockTime: time / 1000,
        ...says,
      }),
    };
    return tell(observeServing({ node: { ...quorumNode(), status: previous }, door }));
  };

  it('writes the last block once a minute', () => {
    const first = tell(observeServing());
    expect(later(30, first)).toEqual(first);
    expect(later(90, first).lastBlock?.number).toBe(1090);
  });

  it('writes the last block when readiness changes', () => {
    expect(later(30, tell(observeServing()), { peers: 0 }).lastBlock?.number).toBe(1030);
  });

  it('is Unknown where nothing was observed any more, and keeps what was known', () => {
    const first = tell(observeServing());
    const next = tell(observeServing({ node: { ...quorumNode(), status: first }, door: { at: NOW, error: 'gone' } }));
    expect(condition(next, 'Sealing')?.status).toBe('Unknown');
    expect(next).toMatchObject({ peers: 3, clientVersion: first.clientVersion });
  });

  it('keeps the address of a lost key, by which the loss is known', () => {
    const known = tell(observeServing());
    const after = tell(observeServing({ node: { ...quorumNode(), status: known }, identity: undefined }));
    expect(after.address).toBe(known.address);
    expect(condition(after, 'Stalled')?.reason).toBe('KeyLost');
  });
});

describe('a suspended node', () => {
  it('is not Ready, says why, and keeps what is known of it', () => {
    const before = tell(observeServing());
    const node = { ...quorumNode({ suspend: true }, { generation: 2 }), status: before };
    const suspended = suspendedStatus(node, NOW);
    expect(condition(suspended, 'Ready')).toMatchObject({ status: 'False', reason: 'Suspended' });
    expect(condition(suspended, 'Reconciling')).toBeUndefined();
    expect(suspended).toMatchObject({ observedGeneration: 2, address: before.address, enode: before.enode });
  });
});
