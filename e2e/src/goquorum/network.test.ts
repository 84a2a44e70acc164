import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LocalNetwork, type LocalNode } from './local-network.ts';

const binary = process.env.GOQUORUM_BIN;

describe.skipIf(binary === undefined)('real GoQuorum (GOQUORUM_BIN) with our genesis and arguments', () => {
  let network: LocalNetwork;
  let nodes: [LocalNode, LocalNode, LocalNode, LocalNode];

  beforeAll(async () => {
    network = await LocalNetwork.start(binary as string, { validators: 4 });
    nodes = network.nodes as unknown as typeof nodes;
  }, 120_000);

  afterAll(() => network?.remove());

  test('four validators seal blocks, and agree on who they are', async () => {
    const [first] = nodes;
    await network.until('block 3 at every validator', 60, async () => {
      const heads = await Promise.all(nodes.map((node) => network.blockNumber(node)));
      return heads.every((head) => head >= 3);
    });
    const expected = nodes.map(({ key }) => key.address).sort();
    expect((await network.call<string[]>(first, 'istanbul_getValidators')).sort()).toEqual(expected);
    expect(await network.call(first, 'istanbul_nodeAddress')).toBe(first.key.address);
    const { id } = await network.call<{ id: string }>(first, 'admin_nodeInfo');
    expect(id).toBe(first.key.nodeId);
  }, 90_000);

  test('no account exists on loopback, and no way to make one', async () => {
    const [first] = nodes;
    expect(await network.call(first, 'eth_accounts')).toEqual([]);
    await expect(network.call(first, 'personal_newAccount', ['x'])).rejects.toThrow(/does not exist/);
  });

  test('with one validator killed the chain goes on, and it catches up after its return', async () => {
    const [first, , , last] = nodes;
    await network.stop(last, 'SIGKILL');
    const before = await network.blockNumber(first);
    await network.until(
      'three blocks without the fourth validator',
      90,
      async () => (await network.blockNumber(first)) >= before + 3,
    );
    await network.run(last);
    await network.until('the killed validator at the head again', 90, async () => {
      const [head, own] = await Promise.all([network.blockNumber(first), network.blockNumber(last)]);
      return own >= head - 1 && own > before;
    });
  }, 200_000);

  test('a stop by SIGTERM is clean', async () => {
    expect(await network.stop(nodes[3], 'SIGTERM')).toBe(0);
  });
});
