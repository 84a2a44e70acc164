import { describe, expect, it } from 'vitest';
import { type RolloutInput, rollout } from './rollout.ts';

const addresses = ['0xa', '0xb', '0xc', '0xd'];
const sealing = Object.fromEntries(addresses.map((address) => [address, 16]));
const other = (name: string, role: 'Validator' | 'Member', change: object = {}) => ({
  name,
  role,
  serving: true,
  restarting: false,
  ...change,
});
const outdated = { uid: 'u', revision: 'outdated', ready: true, terminating: false } as const;

/** An outdated validator of four that seals, everybody well. */
const validator: RolloutInput = {
  role: 'Validator',
  pod: outdated,
  inValidatorSet: true,
  fresh: true,
  validators: addresses,
  proposals: sealing,
  others: [other('b', 'Validator'), other('c', 'Validator'), other('d', 'Validator'), other('m', 'Member')],
  allowHalt: false,
};
const member: RolloutInput = { ...validator, role: 'Member', inValidatorSet: false };
const three = { validators: addresses.slice(0, 3) };

const cases: [string, RolloutInput, 'none' | 'underway' | 'restart' | 'wait', string?][] = [
  ['no pod', { ...validator, pod: undefined }, 'none'],
  ['a current pod', { ...validator, pod: { ...outdated, revision: 'current' } }, 'none'],
  ['a current pod that starts', { ...validator, pod: { ...outdated, revision: 'current', ready: false } }, 'underway'],
  ['a pod that stops', { ...validator, pod: { ...outdated, terminating: true } }, 'underway'],
  ['a template not seen yet', { ...validator, pod: { ...outdated, revision: 'unknown' } }, 'underway'],
  ['a validator while all others seal', validator, 'restart'],
  [
    'a validator that is not Ready, whatever the others do',
    {
      ...validator,
      pod: { ...outdated, ready: false },
      lockedBy: 'b',
      others: [other('b', 'Validator', { restarting: true })],
    },
    'restart',
  ],
  [
    'a validator without recent blocks while another is down',
    { ...validator, fresh: false, others: [other('b', 'Validator', { serving: false })] },
    'restart',
  ],
  [
    'a validator while another restarts',
    { ...validator, others: [other('b', 'Validator', { restarting: true, serving: false })] },
    'wait',
    'validator b',
  ],
  [
    'a validator while another does not serve',
    { ...validator, others: [other('b', 'Validator', { serving: false })] },
    'wait',
    'validator b',
  ],
  [
    'a validator while a silent one runs in another cluster',
    { ...validator, proposals: { ...sealing, '0xd': 0 } },
    'wait',
    '0xd',
  ],
  [
    'a validator while a member restarts',
    { ...validator, others: [other('m', 'Member', { restarting: true })] },
    'restart',
  ],
  ['a validator while another holds the lock', { ...validator, lockedBy: 'demo-bravo/b' }, 'wait', 'demo-bravo/b'],
  ['one of three validators', { ...validator, ...three }, 'wait', 'quorum-operator.io/allow-halt'],
  ['one of three validators, with a word', { ...validator, ...three, allowHalt: true }, 'restart'],
  [
    'a validator by its role while its door is silent',
    { ...validator, inValidatorSet: undefined, ...three },
    'wait',
    'allow-halt',
  ],
  ['a member', member, 'restart'],
  [
    'a member while a validator is down',
    { ...member, others: [other('b', 'Validator', { serving: false, restarting: true })] },
    'restart',
  ],
  [
    'a member while another restarts',
    { ...member, others: [other('m', 'Member', { restarting: true })] },
    'wait',
    'member m',
  ],
  [
    'a member that was voted in counts as a validator',
    { ...member, inValidatorSet: true, ...three },
    'wait',
    'allow-halt',
  ],
];

describe('restart of', () => {
  it.each(cases)('%s', (_, input, kind, words) => {
    const decision = rollout(input);
    expect(decision.kind).toBe(kind);
    if (decision.kind === 'wait') expect(decision.message).toContain(words);
    if (decision.kind === 'restart') expect(decision.uid).toBe('u');
  });
});
