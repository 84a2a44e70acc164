import type { KubeObject } from '../kube/types.ts';

/** Name of the one pod of a StatefulSet of ours. */
export function podName(statefulSet: string): string {
  return `${statefulSet}-0`;
}

export function podIsReady(pod: KubeObject): boolean {
  const conditions = (pod.status?.conditions ?? []) as { type: string; status: string }[];
  return conditions.some((condition) => condition.type === 'Ready' && condition.status === 'True');
}

/**
 * Whether the pod runs an older template than its StatefulSet has.
 * `unknown` while the StatefulSet's controller has not seen the newest template.
 */
export function podRevision(statefulSet: KubeObject, pod: KubeObject): 'current' | 'outdated' | 'unknown' {
  const { status } = statefulSet;
  if (!status?.updateRevision || (status.observedGeneration ?? 0) < (statefulSet.metadata.generation ?? 0))
    return 'unknown';
  return pod.metadata.labels?.['controller-revision-hash'] === status.updateRevision ? 'current' : 'outdated';
}

/** Image and digest that a container really runs, as the kubelet reports them. */
export function runningImage(pod: KubeObject | undefined, container: string): { image?: string; digest?: string } {
  const statuses = (pod?.status?.containerStatuses ?? []) as { name: string; image?: string; imageID?: string }[];
  const status = statuses.find((entry) => entry.name === container);
  const digest = /sha256:[0-9a-f]{64}/.exec(status?.imageID ?? '')?.[0];
  return { ...(status?.image ? { image: status.image } : {}), ...(digest ? { digest } : {}) };
}

/** Why a pod does not get on, in a person's words. */
export interface PodTrouble {
  readonly kind: 'unschedulable' | 'failing';
  readonly container?: string;
  readonly exitCode?: number;
  readonly message: string;
}

interface ContainerStatus {
  readonly name: string;
  readonly ready?: boolean;
  readonly restartCount?: number;
  readonly state?: { readonly waiting?: { readonly reason?: string; readonly message?: string } };
  readonly lastState?: { readonly terminated?: { readonly exitCode?: number; readonly reason?: string } };
}

/** Reasons of a waiting container that are part of a normal start. */
const STARTING = new Set(['PodInitializing', 'ContainerCreating']);

/** What keeps a pod from running: it fits no machine, an image cannot be had, a container ends again and again. */
export function podTrouble(pod: KubeObject): PodTrouble | undefined {
  const conditions = (pod.status?.conditions ?? []) as {
    type: string;
    status: string;
    reason?: string;
    message?: string;
  }[];
  const scheduled = conditions.find((condition) => condition.type === 'PodScheduled');
  if (scheduled?.status === 'False' && scheduled.reason === 'Unschedulable') {
    return { kind: 'unschedulable', message: scheduled.message ?? 'no machine can take it' };
  }
  const statuses: ContainerStatus[] = [
    ...(pod.status?.initContainerStatuses ?? []),
    ...(pod.status?.containerStatuses ?? []),
  ];
  for (const status of statuses) {
    const waiting = status.state?.waiting;
    if (!waiting?.reason || STARTING.has(waiting.reason)) continue;
    const exitCode = status.lastState?.terminated?.exitCode;
    const ended = exitCode === undefined ? '' : `, last exit code ${exitCode}`;
    return {
      kind: 'failing',
      container: status.name,
      ...(exitCode === undefined ? {} : { exitCode }),
      message: `container ${status.name}: ${waiting.reason}${ended}${waiting.message ? ` (${waiting.message})` : ''}`,
    };
  }
  return undefined;
}
