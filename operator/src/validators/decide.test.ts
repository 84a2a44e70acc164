import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { quorumSize } from '../consensus/quorum.ts';
import { agreedSet, type Ballot, decide, SMALLEST_TOLERANT_SET, type Voter } from './decide.ts';

const address = (letter: string) => `0x${letter.repeat(40)}`;
const [A, B, C, D, E, F] = ['a', 'b', 'c', 'd', 'e', 'f'].map(address) as [
  string,
  string,
  string,
  string,
  string,
  string,
];

interface Says {
  proposals?: Record<string, boolean>;
  withholds?: boolean;
  answers?: boolean;
  block?: number;
  set?: string[];
  votes?: { validator: string; address: string; authorize: boolean }[];
}

function voter(own: string, set: string[], says: Says = {}): Voter {
  return {
    name: `demo-${own[2]}/validator`,
    organization: own[2]!,
    address: own,
    withholds: says.withholds ?? false,
    answer:
      (says.answers ?? true)
        ? {
            block: says.block ?? 100,
            validators: says.set ?? set,
            proposals: says.proposals ?? {},
            votes: says.votes ?? [],
          }
        : undefined,
  };
}

/** A network in which every validator runs here; `says` changes single ones, `more` are nodes outside the set. */
function ballot(
  goal: Ballot['goal'],
  subject: string,
  set: string[],
  says: Record<string, Says> = {},
  more: string[] = [],
) {
  const voters = [...set, ...more].map((own) => voter(own, set, says[own]));
  return { subject, goal, voters, idle: [], confirmed: false } satisfies Ballot;
}

const addresses = (voters: readonly Voter[]) => voters.map((entry) => entry.address);
const FIVE = [A, B, C, D, E];
const FOUR = [A, B, C, D];

describe('voting a validator out', () => {
  it('proposes at every validator that answers, itself included, and says who is missing', () => {
    const decision = decide(ballot('out', E, FIVE, { B: {}, [D]: { answers: false } }));
    expect(decision).toMatchObject({ kind: 'vote', progress: { needed: 3, missing: [D] } });
    expect(decision.kind === 'vote' && addresses(decision.propose)).toEqual([A, B, C, E]);
  });

  it('proposes again where a restart took the proposal away, and only there', () => {
    const voted = { proposals: { [E]: false } };
    const decision = decide(ballot('out', E, FIVE, { [A]: voted, [B]: voted, [C]: voted, [E]: voted }));
    expect(decision.kind === 'vote' && addresses(decision.propose)).toEqual([D]);
  });

  it('turns a proposal of the other direction around', () => {
    const decision = decide(ballot('out', E, FIVE, { [A]: { proposals: { [E]: true } } }));
    expect(decision.kind === 'vote' && addresses(decision.propose)).toContain(A);
  });

  it('asks no organization that withholds its votes, takes back what it proposed, and lets the node vote on itself', () => {
    const decision = decide(
      ballot('out', E, FIVE, { [A]: { withholds: true, proposals: { [E]: false } }, [E]: { withholds: true } }),
    );
    expect(decision.kind === 'vote' && addresses(decision.propose)).toEqual([B, C, D, E]);
    expect(decision.kind === 'vote' && addresses(decision.discard)).toEqual([A]);
    expect(decision).toMatchObject({ progress: { missing: [A] } });
  });

  it('counts votes that validators of other clusters cast in blocks', () => {
    const votes = [{ validator: D, address: E, authorize: false }];
    const here = [A, B].map((own) => voter(own, FIVE, { votes }));
    const decision = decide({ subject: E, goal: 'out', voters: here, idle: [], confirmed: false });
    // C and D are elsewhere; D has voted.
    expect(decision).toMatchObject({ kind: 'vote', progress: { needed: 3, given: [A, B, D], missing: [C, E] } });
  });

  it('takes the proposals back once the set lacks it, and is done when nobody holds one', () => {
    const held = decide(ballot('out', E, FOUR, { [B]: { proposals: { [E]: false } } }, [E]));
    expect(held.kind === 'settle' && addresses(held.discard)).toEqual([B]);
    expect(decide(ballot('out', E, FOUR, {}, [E]))).toEqual({ kind: 'done', set: FOUR });
  });

  it.each<[string, Ballot, object]>([
    ['the set would be below four', ballot('out', D, FOUR), { kind: 'blocked', why: 'below-four' }],
    ['the same with a word', { ...ballot('out', D, FOUR), confirmed: true }, { kind: 'vote' }],
    [
      'another one is being voted out',
      ballot('out', F, [...FIVE, F], { [A]: { proposals: { [E]: false } } }),
      { kind: 'blocked', why: 'other-removal' },
    ],
    [
      'another one is being voted out, with a word for this one',
      { ...ballot('out', D, FOUR, { [A]: { proposals: { [C]: false } } }), confirmed: true },
      { kind: 'blocked', why: 'other-removal' },
    ],
    [
      'another one is being voted in',
      ballot('out', E, FIVE, { [A]: { proposals: { [F]: true } } }, [F]),
      { kind: 'vote' },
    ],
    [
      'a proposal about one that is out already is no removal',
      ballot('out', E, FIVE, { [A]: { proposals: { [F]: false } } }),
      { kind: 'vote' },
    ],
    [
      'two others are down, so that the rest could not seal',
      ballot('out', F, [...FIVE, F], { [A]: { answers: false }, [B]: { answers: false } }),
      { kind: 'blocked', why: 'would-halt' },
    ],
    [
      'two others answer and are far behind',
      ballot('out', F, [...FIVE, F], { [A]: { block: 50 }, [B]: { block: 50 } }),
      { kind: 'blocked', why: 'would-halt' },
    ],
    [
      'two others in another cluster propose nothing',
      { ...ballot('out', F, [...FIVE, F]), voters: [C, D, E, F].map((own) => voter(own, [...FIVE, F])), idle: [A, B] },
      { kind: 'blocked', why: 'would-halt' },
    ],
    ['it is down itself', ballot('out', E, FIVE, { [E]: { answers: false } }), { kind: 'vote' }],
    [
      'no door answers',
      ballot('out', E, FIVE, Object.fromEntries(FIVE.map((own) => [own, { answers: false }]))),
      { kind: 'unknown' },
    ],
    ['nobody is here to ask', { ...ballot('out', E, []), voters: [] }, { kind: 'unknown' }],
  ])('%s', (_, input, expected) => {
    expect(decide(input)).toMatchObject(expected);
  });

  it('takes its proposals back when two removals met, and one of them would end below four', () => {
    const both = { proposals: { [D]: false, [E]: false } };
    const decision = decide(ballot('out', E, FIVE, { [A]: both, [B]: both }));
    expect(decision).toMatchObject({ kind: 'blocked', why: 'below-four' });
    expect(decision.kind === 'blocked' && addresses(decision.discard)).toEqual([A, B]);
  });
});

describe('voting a validator in', () => {
  it('proposes at all validators and not at the node itself, then cleans up', () => {
    const start = decide(ballot('in', E, FOUR, {}, [E]));
    expect(start.kind === 'vote' && addresses(start.propose)).toEqual(FOUR);
    expect(start).toMatchObject({ progress: { needed: 3 } });
    const end = decide(ballot('in', E, FIVE, { [A]: { proposals: { [E]: true } } }));
    expect(end.kind === 'settle' && addresses(end.discard)).toEqual([A]);
  });

  it('takes everything back when it is not wanted any more', () => {
    const decision = decide(ballot('withdrawn', E, FOUR, { [C]: { proposals: { [E]: true } } }, [E]));
    expect(decision.kind === 'settle' && addresses(decision.discard)).toEqual([C]);
  });
});

describe('the set', () => {
  it('is the one that most doors agree on: a single node may be behind, or lie', () => {
    const doors = [voter(A, FIVE), voter(B, FIVE), voter(C, FOUR, { block: 999 })];
    expect(agreedSet(doors)).toEqual(FIVE);
    expect(agreedSet([voter(A, FIVE), voter(B, FOUR, { block: 101 })])).toEqual(FOUR);
  });
});

const many = Array.from({ length: 10 }, (_, index) => address(index.toString(16)));
const anyBallot: fc.Arbitrary<Ballot> = fc
  .record({
    size: fc.integer({ min: 1, max: 10 }),
    goal: fc.constantFrom<Ballot['goal']>('in', 'out', 'withdrawn'),
    confirmed: fc.boolean(),
    subject: fc.constantFrom(...many),
    idle: fc.subarray(many),
    nodes: fc.array(
      fc.record({
        own: fc.constantFrom(...many),
        answers: fc.boolean(),
        withholds: fc.boolean(),
        block: fc.integer({ min: 80, max: 120 }),
        proposals: fc.dictionary(fc.constantFrom(...many), fc.boolean()),
      }),
      { maxLength: 10 },
    ),
  })
  .map(({ size, nodes, ...rest }) => ({
    ...rest,
    voters: [...new Map(nodes.map((node) => [node.own, node])).values()].map(({ own, ...says }) =>
      voter(own, many.slice(0, size), says),
    ),
  }));

describe('whatever the doors say', () => {
  it('a set below four, or one that could not seal, is never proposed without a word', () => {
    fc.assert(
      fc.property(anyBallot, (input) => {
        const decision = decide(input);
        if (decision.kind !== 'vote' || input.goal !== 'out') return;
        const leaving = new Set(
          input.voters.flatMap(({ answer }) =>
            Object.entries(answer?.proposals ?? {}).flatMap(([own, vote]) => (vote ? [] : [own])),
          ),
        ).add(input.subject);
        const after = decision.set.filter((own) => !leaving.has(own));
        if (!input.confirmed) expect(after.length).toBeGreaterThanOrEqual(SMALLEST_TOLERANT_SET);
        const rest = decision.set.filter((own) => own !== input.subject);
        const down = new Set(input.voters.flatMap((entry) => (entry.answer ? [] : [entry.address])));
        expect(rest.filter((own) => !down.has(own)).length).toBeGreaterThanOrEqual(quorumSize(rest.length));
      }),
      { numRuns: 3000 },
    );
  });

  it('only validators of the set that consent vote, each once, and what is done leaves no proposal', () => {
    fc.assert(
      fc.property(anyBallot, (input) => {
        const decision = decide(input);
        if (decision.kind === 'vote') {
          for (const entry of decision.propose) {
            expect(decision.set).toContain(entry.address);
            expect(entry.withholds && entry.address !== input.subject).toBe(false);
            expect(entry.answer?.proposals[input.subject]).not.toBe(input.goal === 'in');
            expect(decision.discard).not.toContain(entry);
          }
        }
        if (decision.kind === 'done') {
          expect(input.voters.some(({ answer }) => answer?.proposals[input.subject] !== undefined)).toBe(false);
        }
      }),
    );
  });
});
