import { readyFrom, type Verdict } from '../../../operator/src/kube/conditions.ts';
import type { Kstatus } from './kstatus.ts';
import type { Health } from './lua.ts';

/** One state of a resource, and what the tools must say of it. */
export interface Case {
  readonly name: string;
  readonly object: object;
  readonly kstatus: Kstatus['status'];
  readonly argo: Health['status'];
  /** Words of Argo's message. */
  readonly says: string;
}

const now = new Date('2026-03-01T12:00:00Z');

function resource(change: { metadata?: object; spec?: object; status?: object }): object {
  return {
    apiVersion: 'quorum-operator.io/v1alpha1',
    kind: 'QuorumNode',
    metadata: { name: 'alpha-validator', namespace: 'demo-alpha', generation: 2, ...change.metadata },
    spec: { role: 'Validator', ...change.spec },
    ...(change.status ? { status: change.status } : {}),
  };
}

/** The status that the operator writes for a chain of verdicts, each on a generation. */
function written(...verdicts: [generation: number, verdict: Verdict][]): object {
  let status: { conditions?: never[]; observedGeneration?: number } = { observedGeneration: -1 };
  for (const [generation, verdict] of verdicts) {
    status = readyFrom(status, verdict, generation, now) as unknown as typeof status;
  }
  return status;
}

const ready: Verdict = { kind: 'ready', reason: 'Serving', message: 'Validator serves with 3 peers.' };
const starting: Verdict = { kind: 'progressing', reason: 'PodStarting', message: 'Pod alpha-validator-0 is starting.' };
const failing: Verdict = { kind: 'failing', reason: 'ContainerFailing', message: 'container geth: CrashLoopBackOff' };
const lost: Verdict = { kind: 'stalled', reason: 'KeyLost', message: 'Secret alpha-validator-nodekey is gone.' };
const suspended: Verdict = { kind: 'suspended', reason: 'Suspended', message: 'spec.suspend is true' };

/** States that the operator leaves behind, made by its own function, and those before and after it. */
export const cases: readonly Case[] = [
  {
    name: 'fresh, with the status that the CRD gives it',
    object: resource({ status: { observedGeneration: -1 } }),
    kstatus: 'InProgress',
    argo: 'Progressing',
    says: 'not seen',
  },
  {
    name: 'starting',
    object: resource({ status: written([2, starting]) }),
    kstatus: 'InProgress',
    argo: 'Progressing',
    says: 'PodStarting: Pod alpha-validator-0',
  },
  {
    name: 'failing and tried again',
    object: resource({ status: written([2, failing]) }),
    kstatus: 'InProgress',
    argo: 'Progressing',
    says: 'ContainerFailing',
  },
  {
    name: 'ready',
    object: resource({ status: written([2, starting], [2, ready]) }),
    kstatus: 'Current',
    argo: 'Healthy',
    says: 'Serving: Validator serves',
  },
  {
    name: 'ready before its spec changed',
    object: resource({ status: written([1, ready]) }),
    kstatus: 'InProgress',
    argo: 'Progressing',
    says: 'Serving',
  },
  {
    name: 'ready, then changed, and on its way',
    object: resource({ status: written([1, ready], [2, starting]) }),
    kstatus: 'InProgress',
    argo: 'Progressing',
    says: 'PodStarting',
  },
  {
    name: 'ready, and lost it at the same generation',
    object: resource({ status: written([2, ready], [2, starting]) }),
    kstatus: 'InProgress',
    argo: 'Progressing',
    says: 'PodStarting',
  },
  {
    name: 'stalled',
    object: resource({ status: written([2, starting], [2, lost]) }),
    kstatus: 'Failed',
    argo: 'Degraded',
    says: 'KeyLost: Secret alpha-validator-nodekey is gone.',
  },
  {
    name: 'stalled before its spec changed',
    object: resource({ status: written([1, lost]) }),
    kstatus: 'InProgress',
    argo: 'Progressing',
    says: 'KeyLost',
  },
  {
    name: 'stalled, and the cause was taken away',
    object: resource({ status: written([2, lost], [2, starting]) }),
    kstatus: 'InProgress',
    argo: 'Progressing',
    says: 'PodStarting',
  },
  {
    name: 'suspended',
    object: resource({ spec: { suspend: true }, status: written([1, ready], [2, suspended]) }),
    kstatus: 'InProgress',
    argo: 'Suspended',
    says: 'spec.suspend',
  },
  {
    name: 'being deleted',
    object: resource({
      metadata: { deletionTimestamp: '2026-03-01T12:00:00Z', finalizers: ['example.com/hold'] },
      status: written([2, ready]),
    }),
    kstatus: 'Terminating',
    argo: 'Progressing',
    says: 'deleted',
  },
];
