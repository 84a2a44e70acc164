import { describe, expect, it } from 'vitest';
import type { Decision } from '../validators/decide.ts';
import type { NodeObservation } from './observation.ts';
import { seatGoal, seatVerdict } from './seat.ts';
import { demoConsortium, NOW, observeServing, quorumNode } from './testing.ts';

const elsewhere = [{ organization: 'bravo', node: 'bravo-validator' }];

function serving(change: {
  seated: boolean;
  reason?: string;
  declared?: boolean;
  role?: string;
  address?: boolean;
}): NodeObservation {
  const { seated, reason = 'Serving', declared = true, role = 'Validator', address = true } = change;
  const ready = { type: 'Ready', status: 'False' as const, reason, message: '', lastTransitionTime: NOW.toISOString() };
  const node = {
    ...quorumNode({ role }),
    status: { conditions: [ready], ...(address ? { address: `0x${'1'.repeat(40)}` } : {}) },
  };
  const consortium = demoConsortium(declared ? {} : { validators: elsewhere });
  return observeServing({ node, consortium }, { isValidator: seated });
}

describe('what is asked of the chain', () => {
  it.each<[string, Parameters<typeof serving>[0], string | undefined]>([
    ['nothing for a validator that is one', { seated: true }, undefined],
    ['a seat for a declared validator', { seated: false }, 'in'],
    ['to clean up after a vote, also after a restart of the operator', { seated: true, reason: 'VotingIn' }, 'in'],
    [
      'to take back a vote when the declaration is gone',
      { seated: false, reason: 'VotingIn', declared: false },
      'withdrawn',
    ],
    ['nothing for a validator that is not declared', { seated: false, declared: false }, undefined],
    ['nothing for a member', { seated: false, role: 'Member' }, undefined],
    ['nothing before its address is known', { seated: false, address: false }, undefined],
  ])('%s', (_, change, expected) => {
    expect(seatGoal(serving(change))).toBe(expected);
  });
});

describe('how it stands', () => {
  const organizations = new Map([['0xa', 'alpha']]);
  const vote = (given: string[]): Decision => ({
    kind: 'vote',
    set: ['0xa', '0xb'],
    propose: [],
    discard: [],
    progress: { needed: 2, given, missing: ['0xb'] },
  });

  it('is nothing to speak of when it is done', () => {
    expect(seatVerdict({ kind: 'done', set: [] }, 'in', organizations)).toBeUndefined();
  });

  it('names organizations, and validators that nobody knows by their address', () => {
    expect(seatVerdict(vote(['0xa']), 'in', organizations)).toMatchObject({
      kind: 'progressing',
      reason: 'VotesMissing',
      message: expect.stringContaining('1 vote of alpha where 2 are needed; none of 0xb'),
    });
    expect(seatVerdict(vote(['0xa', '0xb']), 'in', organizations)).toMatchObject({ reason: 'VotingIn' });
  });
});
