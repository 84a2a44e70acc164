import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { CONSORTIUMS, QUORUMNODES } from '../api/resources.ts';
import { eventually } from '../kube/api-testing.ts';
import type { KubeClient } from '../kube/client.ts';
import { getCondition } from '../kube/conditions.ts';
import { EVENTS, SECRETS } from '../kube/resources.ts';
import type { Condition, KubeObject } from '../kube/types.ts';
import {
  prepareCluster,
  startOperator,
  type TestOperator,
  testConsortium,
  testMember,
} from '../workload/operator-testing.ts';
import { quorumNodeController } from './controller.ts';
import { VOTE_OUT_FINALIZER } from './removal.ts';

const unique = Date.now().toString(36);
const consortium = `rm${unique}`;
const namespace = `${consortium}-alpha`;
const NAME = 'alpha-validator';
const key = { namespace, name: NAME };

let client: KubeClient;
let operator: TestOperator;

const validator = (spec: object = {}) => testMember(consortium, 'QuorumNode', NAME, { role: 'Validator', ...spec });
const live = () => client.get<KubeObject>(QUORUMNODES, key);
const gone = () => eventually(async () => (await live()) === undefined, 'the QuorumNode is gone');
const nodeKey = () => client.get(SECRETS, { namespace, name: `${NAME}-nodekey` });
const annotate = (word: string) =>
  client.patch(QUORUMNODES, key, { metadata: { annotations: { 'quorum-operator.io/confirm-removal': word } } });

/** The node as it stands once it is guarded and known by its address. */
const guarded = () =>
  eventually(async () => {
    const node = await live();
    return node?.metadata.finalizers?.includes(VOTE_OUT_FINALIZER) && node.status?.address ? node : undefined;
  }, 'the QuorumNode has its finalizer and address');

/** Without kubelets nothing runs, so that it ran is said here. */
async function sayThatItRan(): Promise<void> {
  const status = { validator: true, lastBlock: { number: 7, time: '2026-01-01T00:00:00Z' } };
  await client.patch(QUORUMNODES, key, { status }, { subresource: 'status' });
  await eventually(
    () => operator.deps.informers.of<KubeObject>(QUORUMNODES).get(key)?.status?.validator === true,
    'the operator has seen that the node ran',
  );
}

async function events(reason: string): Promise<KubeObject[]> {
  await operator.deps.events.flush();
  const { items } = await client.list<KubeObject>(EVENTS, { namespace });
  return items.filter((event) => event.reason === reason);
}

beforeAll(async () => {
  client = await prepareCluster(inject('kubeconfig'), `rm-operator-${unique}`);
  operator = await startOperator(inject('kubeconfig'), `rm-operator-${unique}`, [quorumNodeController]);
  await client.create(CONSORTIUMS, testConsortium(consortium));
  await eventually(() => nodeKey(), 'the Consortium has prepared the namespace');
});

afterAll(async () => {
  await operator?.stop();
  await client?.close();
});

describe('a deleted QuorumNode', () => {
  it('of a member has no finalizer', async () => {
    await client.create(QUORUMNODES, testMember(consortium, 'QuorumNode', 'alpha-member', { role: 'Member' }));
    await eventually(
      async () => (await client.get(QUORUMNODES, { namespace, name: 'alpha-member' }))?.status?.address,
      'the member is known by its address',
    );
    const member = await client.get(QUORUMNODES, { namespace, name: 'alpha-member' });
    expect(member?.metadata.finalizers ?? []).toEqual([]);
  });

  it('that never ran goes at once, and its key remains', async () => {
    await client.create(QUORUMNODES, validator());
    await guarded();
    const before = await nodeKey();
    await client.delete(QUORUMNODES, key);
    await gone();
    expect((await nodeKey())?.metadata.uid).toBe(before!.metadata.uid);
  });

  it('that ran waits while nobody can vote, survives a restart of the operator, and goes by force with a warning', async () => {
    await client.create(QUORUMNODES, validator());
    const { address } = (await guarded()).status;
    await sayThatItRan();
    await client.delete(QUORUMNODES, key);
    const waits = () =>
      eventually(async () => {
        const condition = getCondition((await live())?.status?.conditions as Condition[], 'Ready');
        return condition?.reason === 'VotersUnreachable' ? condition : undefined;
      }, 'the QuorumNode waits for voters');
    expect((await waits()).message).toContain(
      `kubectl annotate quorumnode ${NAME} -n ${namespace} quorum-operator.io/confirm-removal=force`,
    );
    await operator.stop();
    operator = await startOperator(inject('kubeconfig'), `rm-operator-${unique}`, [quorumNodeController]);
    await annotate('another-node');
    await waits();
    const still = await live();
    expect(still?.status.address).toBe(address);
    await annotate('force');
    await gone();
    expect((await events('RemovedWithoutVote')).map(({ type }) => type)).toEqual(['Warning']);
  });

  it('keeps the key of a declared validator, whatever the policy, and goes when its Consortium goes', async () => {
    await client.create(QUORUMNODES, validator({ deletionPolicy: 'Delete' }));
    await guarded();
    await client.delete(QUORUMNODES, key);
    await gone();
    expect(await nodeKey()).toBeDefined();

    await client.create(QUORUMNODES, validator({ deletionPolicy: 'Delete' }));
    await guarded();
    await sayThatItRan();
    await client.delete(QUORUMNODES, key);
    await eventually(async () => (await live())?.metadata.deletionTimestamp, 'the QuorumNode is being deleted');
    expect(await live()).toBeDefined();
    await client.delete(CONSORTIUMS, { name: consortium });
    await gone();
    expect(await nodeKey()).toBeUndefined();
  });
});
