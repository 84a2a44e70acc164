import { describe, expect, it } from 'vitest';
import type { Decision } from '../validators/decide.ts';
import { confirmationOf, type RemovalInput, removal } from './removal.ts';

const set = ['0xa', '0xb', '0xc', '0xd'];
const organizations = new Map([
  ['0xa', 'alpha'],
  ['0xb', 'bravo'],
  ['0xc', 'charlie'],
  ['0xd', 'delta'],
]);
const vote = (given: string[]): Decision => ({
  kind: 'vote',
  set,
  propose: [],
  discard: [],
  progress: { needed: 3, given, missing: set.filter((address) => !given.includes(address)) },
});
const blocked = (why: 'below-four' | 'would-halt' | 'other-removal'): Decision => ({
  kind: 'blocked',
  why,
  set,
  discard: [],
});
const input = (change: Partial<RemovalInput> = {}): RemovalInput => ({
  name: 'delta-validator',
  namespace: 'demo-delta',
  consortiumLives: true,
  ran: true,
  confirmation: 'none',
  lockedOut: false,
  organizations,
  ...change,
});

describe('a deleted validator', () => {
  it.each<[string, Partial<RemovalInput>, object]>([
    ['whose Consortium is gone goes at once', { consortiumLives: false }, { kind: 'release', warning: false }],
    ['that never ran goes at once', { ran: false }, { kind: 'release', reason: 'RemovalWithoutVote' }],
    [
      'goes without a vote where that was said, with a warning',
      { confirmation: 'without-vote', ballot: undefined },
      { kind: 'release', reason: 'RemovedWithoutVote', warning: true },
    ],
    [
      'that is out, with no proposal left, goes',
      { ballot: { kind: 'done', set: set.slice(0, 3) } },
      { kind: 'release', reason: 'VotedOut', message: 'The chain does not count it any more: 3 validators remain.' },
    ],
    [
      'stays until all proposals are taken back',
      { ballot: { kind: 'settle', set, discard: [] } },
      { kind: 'wait', reason: 'VotingOut' },
    ],
    [
      'stays while the vote is under way, with its progress',
      { ballot: vote(['0xa', '0xb', '0xc']) },
      {
        kind: 'wait',
        reason: 'VotingOut',
        message: 'It is being voted out: 3 votes of alpha, bravo, charlie where 3 are needed; none of delta.',
      },
    ],
    ['stays while votes are missing', { ballot: vote(['0xa']) }, { kind: 'wait', reason: 'VotesMissing' }],
    ['stays while nobody answers', { ballot: { kind: 'unknown' } }, { kind: 'wait', reason: 'VotersUnreachable' }],
    ['waits for another removal here', { lockedOut: true }, { kind: 'wait', reason: 'RemovalWaiting' }],
    ['waits for another removal', { ballot: blocked('other-removal') }, { kind: 'wait', reason: 'RemovalWaiting' }],
    ['waits where the rest could not seal', { ballot: blocked('would-halt') }, { reason: 'RemovalWouldHalt' }],
    [
      'needs a word below four',
      { ballot: blocked('below-four') },
      { kind: 'stalled', reason: 'RemovalNeedsConfirmation' },
    ],
  ])('%s', (_, change, expected) => {
    expect(removal(input(change))).toMatchObject(expected);
  });

  it('says the line to type', () => {
    expect(removal(input({ ballot: blocked('below-four') })).message).toContain(
      'kubectl annotate quorumnode delta-validator -n demo-delta quorum-operator.io/confirm-removal=delta-validator',
    );
    for (const ballot of [vote(['0xa']), { kind: 'unknown' } as const, blocked('would-halt')]) {
      expect(removal(input({ ballot })).message).toContain('quorum-operator.io/confirm-removal=force');
    }
  });
});

describe('the word of a person', () => {
  it.each([
    [undefined, 'none'],
    ['delta-validator', 'below-four'],
    ['alpha-validator', 'none'],
    ['true', 'none'],
    ['force', 'without-vote'],
  ])('%s means %s', (word, expected) => {
    const annotations: Record<string, string> =
      word === undefined ? {} : { 'quorum-operator.io/confirm-removal': word };
    expect(confirmationOf({ metadata: { name: 'delta-validator', annotations } })).toBe(expected);
  });
});
