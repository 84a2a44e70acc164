import { pino } from 'pino';
import { ApiClient } from '../../../e2e/src/chart/api-client.ts';
import { installCrds } from '../api/testing.ts';
import { readConfig } from '../config.ts';
import { consortiumController } from '../consortium/controller.ts';
import type { ControllerDeps } from '../deps.ts';
import { DoorClient } from '../door/client.ts';
import { Informers } from '../informers.ts';
import { Applier } from '../kube/apply.ts';
import { connect, type KubeClient } from '../kube/client.ts';
import type { Controller } from '../kube/controller.ts';
import { EventRecorder } from '../kube/events.ts';
import { NAMESPACES } from '../kube/resources.ts';
import { StatusWriter } from '../kube/status.ts';
import type { KubeObject } from '../kube/types.ts';
import { FIELD_MANAGER, GROUP, STATUS_FIELD_MANAGER } from '../names.ts';

/** For tests against a real API server: one process of the operator, with the Consortium's controller and those given. */
export interface TestOperator {
  readonly deps: ControllerDeps;
  stop(): Promise<void>;
}

export const TEST_IMAGES = {
  SIDECAR_IMAGE: 'test.local/sidecar:1',
  DEFAULT_QUORUM_IMAGE: 'test.local/quorum:1',
  DEFAULT_TESSERA_IMAGE: 'test.local/tessera:1',
  DEFAULT_SOFTHSM_IMAGE: 'test.local/softhsm:1',
} as const;

/** Installs the CRDs and makes the operator's namespace. */
export async function prepareCluster(kubeconfig: string, operatorNamespace: string): Promise<KubeClient> {
  const api = new ApiClient(kubeconfig);
  await installCrds(api);
  api.close();
  const client = connect({ kubeconfig });
  await client.create(NAMESPACES, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: operatorNamespace } });
  return client;
}

export async function startOperator(
  kubeconfig: string,
  namespace: string,
  controllers: readonly ((deps: ControllerDeps) => Controller)[],
  doors = new DoorClient({ credentials: () => undefined }),
): Promise<TestOperator> {
  const client = connect({ kubeconfig });
  const log = pino({ level: process.env.TEST_LOG_LEVEL ?? 'silent' });
  const deps: ControllerDeps = {
    client,
    log,
    config: readConfig({ OPERATOR_NAMESPACE: namespace, ...TEST_IMAGES }),
    now: () => new Date(),
    applier: new Applier(client, { fieldManager: FIELD_MANAGER }),
    status: new StatusWriter(client, { fieldManager: STATUS_FIELD_MANAGER }),
    events: new EventRecorder(client, { controller: 'quorum-operator.io/operator', instance: 'test' }),
    informers: new Informers(client, { log }),
    doors,
  };
  const stop = new AbortController();
  deps.informers.start(stop.signal);
  await deps.informers.synced;
  const ended = [consortiumController, ...controllers].map((make) => make(deps).run(stop.signal));
  return {
    deps,
    stop: async () => {
      stop.abort();
      await Promise.all(ended);
      await deps.events.flush();
      await client.close();
    },
  };
}

/** A Development consortium of alpha and bravo, one validator each; namespaces are `<name>-<organization>`. */
export function testConsortium(name: string): KubeObject {
  const organizations = ['alpha', 'bravo'];
  return {
    apiVersion: `${GROUP}/v1alpha1`,
    kind: 'Consortium',
    metadata: { name },
    spec: {
      environment: 'Development',
      chainId: 83210,
      genesis: { create: {} },
      validators: organizations.map((organization) => ({ organization, node: `${organization}-validator` })),
      organizations: organizations.map((organization) => ({ name: organization })),
    },
  };
}

/** A namespaced resource of ours in organization alpha. */
export function testMember(consortium: string, kind: string, name: string, spec: object): KubeObject {
  return {
    apiVersion: `${GROUP}/v1alpha1`,
    kind,
    metadata: { name, namespace: `${consortium}-alpha` },
    spec: { consortiumRef: { name: consortium }, organization: 'alpha', environment: 'Development', ...spec },
  };
}

/** A pod from the template of a StatefulSet, with the claim that its controller would put in. */
export function podOf(statefulSet: KubeObject): KubeObject {
  const { template } = statefulSet.spec;
  const name = `${statefulSet.metadata.name}-0`;
  const data = { name: 'data', persistentVolumeClaim: { claimName: `data-${name}` } };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: statefulSet.metadata.namespace!, ...template.metadata },
    spec: { ...template.spec, volumes: [...template.spec.volumes, data] },
  };
}
