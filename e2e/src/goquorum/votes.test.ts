import { setTimeout as sleep } from 'node:timers/promises';
import type { DoorTarget } from '@quorum-operator/operator/door/client.ts';
import { takeVote, type VotingNode } from '@quorum-operator/operator/validators/ballot.ts';
import type { Decision } from '@quorum-operator/operator/validators/decide.ts';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LocalNetwork, type LocalNode } from './local-network.ts';

const binary = process.env.GOQUORUM_BIN;
const log = pino({ level: 'silent' });

describe.skipIf(binary === undefined)('real GoQuorum (GOQUORUM_BIN): votes about five validators', () => {
  let network: LocalNetwork;
  let nodes: [LocalNode, LocalNode, LocalNode, LocalNode, LocalNode];

  /** In the place of the doors: the same calls, straight to the nodes' loopback ports. */
  const doors = {
    consensus: (target: DoorTarget, method: string, params: readonly unknown[] = []) =>
      network.call<unknown>(nodes.find(({ httpPort }) => httpPort === target.port)!, method, params),
  };

  const voters = (withholding: readonly LocalNode[] = []): VotingNode[] =>
    nodes.map((node, index) => ({
      name: `demo/validator-${index}`,
      organization: `organization-${index}`,
      address: node.key.address,
      withholds: withholding.includes(node),
      target: { address: '127.0.0.1', port: node.httpPort, servername: `validator-${index}`, caBundle: '' },
    }));

  /** As the operator does: decides every two seconds until nothing is left to do, or something stands in the way. */
  async function drive(
    subject: LocalNode,
    goal: 'in' | 'out',
    options: { confirmed?: boolean; withholding?: LocalNode[] } = {},
  ): Promise<{ last: Decision; kinds: string[] }> {
    const { confirmed = false, withholding = [] } = options;
    const kinds: string[] = [];
    for (let round = 0; round < 90; round++) {
      const request = { subject: subject.key.address, goal, confirmed, voters: voters(withholding) };
      const last = await takeVote(doors, request, log);
      if (kinds.at(-1) !== last.kind) kinds.push(last.kind);
      if (last.kind === 'done' || last.kind === 'blocked') return { last, kinds };
      await sleep(2_000); // a block period: proposals travel in blocks
    }
    throw new Error(`the vote did not end: ${kinds.join(', ')}\n${await network.standing()}`);
  }

  const proposals = () =>
    Promise.all(nodes.map((node) => network.call<Record<string, boolean>>(node, 'istanbul_candidates')));
  const moves = async (blocks: number) => {
    const before = await network.blockNumber(nodes[0]);
    await network.until(`${blocks} blocks`, 90, async () => (await network.blockNumber(nodes[0])) >= before + blocks);
  };

  beforeAll(async () => {
    network = await LocalNetwork.start(binary as string, { validators: 5 });
    nodes = network.nodes as unknown as typeof nodes;
    await network.until('block 2 at every validator', 90, async () => {
      const heads = await Promise.all(nodes.map((node) => network.blockNumber(node)));
      return heads.every((head) => head >= 2);
    });
  }, 180_000);

  afterAll(() => network?.remove());

  test('one is voted out, all proposals are taken back, and the other four go on without it', async () => {
    const fifth = nodes[4];
    const { last, kinds } = await drive(fifth, 'out');
    expect(kinds).toEqual(['vote', 'settle', 'done']);
    expect(last).toMatchObject({
      set: nodes
        .slice(0, 4)
        .map(({ key }) => key.address)
        .sort(),
    });
    expect(await proposals()).toEqual([{}, {}, {}, {}, {}]);
    await network.stop(fifth, 'SIGTERM');
    await moves(5);
  }, 240_000);

  test('the next one, which would leave three, is refused without a word, and no node is asked for anything', async () => {
    const { last } = await drive(nodes[3], 'out');
    expect(last).toMatchObject({ kind: 'blocked', why: 'below-four' });
    expect((await proposals().catch(() => [])).flatMap(Object.keys)).toEqual([]);
  });

  test('it comes back with the same key, is voted in again, also when a voter forgets its proposal by a restart', async () => {
    const [first, second, third, fourth, fifth] = nodes;
    await network.run(fifth);
    await network.until('the returned node at the head', 90, async () => {
      const [head, own] = await Promise.all([network.blockNumber(first), network.blockNumber(fifth)]);
      return own >= head - 1;
    });
    expect(await network.call(fifth, 'istanbul_isValidator')).toBe(false);
    // Two of three votes: it stays pending whatever time passes.
    const request = { subject: fifth.key.address, goal: 'in' as const, confirmed: false };
    const pending = await takeVote(doors, { ...request, voters: voters([third, fourth]) }, log);
    expect(pending).toMatchObject({ kind: 'vote', progress: { needed: 3 } });
    expect(pending.kind === 'vote' && pending.progress.given).toHaveLength(2);
    expect(await network.call(second, 'istanbul_candidates')).toEqual({ [fifth.key.address]: true });
    await network.stop(second, 'SIGTERM');
    await network.run(second);
    await network.until('the restarted voter answers', 60, async () => {
      expect(await network.call(second, 'istanbul_candidates')).toEqual({});
      return true;
    });
    const { kinds } = await drive(fifth, 'in');
    expect(kinds).toEqual(['vote', 'settle', 'done']);
    expect(await network.call(fifth, 'istanbul_isValidator')).toBe(true);
    expect(await proposals()).toEqual([{}, {}, {}, {}, {}]);
    await moves(5);
  }, 300_000);

  test('a dead validator is voted out by the others', async () => {
    const fifth = nodes[4];
    await network.stop(fifth, 'SIGKILL');
    const { kinds } = await drive(fifth, 'out');
    expect(kinds.at(-1)).toBe('done');
    await moves(5);
  }, 300_000);
});
