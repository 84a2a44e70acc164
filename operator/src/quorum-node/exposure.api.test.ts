import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { CONSORTIUMS, QUORUMNODES } from '../api/resources.ts';
import { eventually } from '../kube/api-testing.ts';
import type { KubeClient } from '../kube/client.ts';
import { getCondition } from '../kube/conditions.ts';
import { NAMESPACES, NETWORKPOLICIES, SERVICES, STATEFULSETS } from '../kube/resources.ts';
import type { Condition, KubeObject, ResourceType } from '../kube/types.ts';
import { labels } from '../names.ts';
import {
  prepareCluster,
  startOperator,
  type TestOperator,
  testConsortium,
  testMember,
} from '../workload/operator-testing.ts';
import { quorumNodeController } from './controller.ts';

const unique = Date.now().toString(36);
const consortium = `ex${unique}`;
const namespace = `${consortium}-alpha`;
const name = 'alpha-validator';
const service = `${name}-p2p-external`;
const remote = {
  cidrs: ['198.51.100.0/24'],
  enodes: [`enode://${'5'.repeat(128)}@198.51.100.4:31303?discport=0`],
};

let client: KubeClient;
let operator: TestOperator;

const get = (type: ResourceType, object: string) => client.get<KubeObject>(type, { namespace, name: object });
const expose = (exposure: object | null) => client.patch(QUORUMNODES, { namespace, name }, { spec: { exposure } });
const flags = async () =>
  (await get(STATEFULSETS, name))?.spec.template.spec.containers[0].args.join(' ') as string | undefined;
const enode = (endpoint: RegExp) =>
  eventually(
    async () => endpoint.test((await get(QUORUMNODES, name))?.status?.externalEnode ?? ''),
    `status.externalEnode matches ${endpoint}`,
  );

beforeAll(async () => {
  const operatorNamespace = `ex-operator-${unique}`;
  client = await prepareCluster(inject('kubeconfig'), operatorNamespace);
  operator = await startOperator(inject('kubeconfig'), operatorNamespace, [quorumNodeController]);
  const held = { [labels.consortium]: consortium, [labels.organization]: 'alpha' };
  await client.create(NAMESPACES, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels: held } });
  const { spec, ...rest } = testConsortium(consortium);
  const echo = { name: 'echo', hosted: false, remote };
  await client.create(CONSORTIUMS, { ...rest, spec: { ...spec, organizations: [...spec.organizations, echo] } });
});

afterAll(async () => {
  await operator?.stop();
  await client?.close();
});

describe('a node that peers outside the cluster reach', () => {
  it('by a load balancer waits for its address, and says so', async () => {
    const exposure = { type: 'LoadBalancer' };
    await client.create(QUORUMNODES, testMember(consortium, 'QuorumNode', name, { role: 'Validator', exposure }));
    const condition = await eventually(async () => {
      const found = getCondition((await get(QUORUMNODES, name))?.status?.conditions as Condition[], 'Ready');
      return found?.reason === 'ExposurePending' ? found : undefined;
    }, 'the node waits');
    expect(condition.message).toContain(`Service ${service} has no address yet`);
    expect(await get(STATEFULSETS, name)).toBeUndefined();
    expect((await get(SERVICES, service))!.spec).toMatchObject({
      type: 'LoadBalancer',
      externalTrafficPolicy: 'Local',
      loadBalancerSourceRanges: remote.cidrs,
    });
  });

  it('starts when the balancer has one', async () => {
    const loadBalancer = { ingress: [{ ip: '203.0.113.9' }] };
    await client.patch(SERVICES, { namespace, name: service }, { status: { loadBalancer } }, { subresource: 'status' });
    await enode(/@203\.0\.113\.9:30303\?discport=0$/);
    await eventually(async () => (await flags())?.includes('--nat extip:203.0.113.9'), 'geth is told the address');
  });

  it('takes connections of remote ranges, and makes them to the ports of their enodes', async () => {
    const { ingress, egress } = (await get(NETWORKPOLICIES, name))!.spec;
    const ipBlock = { cidr: '198.51.100.0/24' };
    const rule = ingress.find(({ ports }: { ports: { port: number }[] }) => ports[0]!.port === 30303);
    expect(rule.from).toContainEqual({ ipBlock });
    expect(egress.find(({ ports }: { ports: { port: number }[] }) => ports[0]!.port === 31303).to).toEqual([
      { ipBlock },
      { ipBlock: { cidr: '198.51.100.4/32' } },
    ]);
  });

  it('by a node port has it in its enode', async () => {
    await expose({ type: 'NodePort', address: '203.0.113.7' });
    await enode(/@203\.0\.113\.7:3[0-9]{4}\?discport=0$/);
    const { spec } = (await get(SERVICES, service))!;
    expect(spec.type).toBe('NodePort');
    expect(spec.loadBalancerSourceRanges).toBeUndefined();
    await eventually(async () => (await flags())?.includes('--nat extip:203.0.113.7'), 'geth is told the address');
  });

  it('is closed again when that is not asked for any more', async () => {
    await expose(null);
    await eventually(async () => !(await get(SERVICES, service)), 'the Service is gone');
    await eventually(async () => !(await get(QUORUMNODES, name))?.status?.externalEnode, 'the enode is gone');
    await eventually(async () => {
      const policy = JSON.stringify((await get(NETWORKPOLICIES, name))!.spec.ingress);
      return !policy.includes('198.51.100.0/24');
    }, 'the policy lets nobody in from outside');
    expect(await flags()).toContain('--nat none');
  });
});
