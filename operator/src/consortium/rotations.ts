import { certificatesOf, shortFingerprint } from '../pki/inspect.ts';
import { decideRotation, type RotationDecision } from '../pki/rotation.ts';
import type { Observation } from './observation.ts';

/** On the Consortium: the authorities that all members elsewhere trust by now, by the first 16 digits of their SHA-256, with commas between. */
export const ACCEPTED_ANNOTATION = 'quorum-operator.io/authority-accepted';

/** How many of those that are waited for a message names. */
const NAMED = 3;

export interface OrganizationRotation {
  readonly organization: string;
  readonly namespace: string;
  readonly decision: RotationDecision;
}

/** The next step of each organization hosted here that has an authority of its own. */
export function decideRotations(observation: Observation): OrganizationRotation[] {
  const { consortium, now, trustSpreadSeconds, organizations } = observation;
  const elsewhere = consortium.spec.organizations.filter(({ hosted }) => !hosted).map(({ name }) => name);
  const accepted = (consortium.metadata.annotations?.[ACCEPTED_ANNOTATION] ?? '').split(',').map((text) => text.trim());
  return organizations.flatMap(({ name, namespace, rotation }) => {
    if (!rotation) return [];
    const { next } = rotation.state;
    const awaited = next === undefined || accepted.includes(shortFingerprint(next)) ? [] : elsewhere;
    const spreadMs = trustSpreadSeconds * 1000;
    return [{ organization: name, namespace, decision: decideRotation({ ...rotation, now, spreadMs, awaited }) }];
  });
}

/** What people are told of the rotations under way, one sentence an organization; undefined when there is none. */
export function rotationMessage(observation: Observation): string | undefined {
  const sentences = decideRotations(observation).flatMap((rotation) => sentence(observation, rotation) ?? []);
  return sentences.length > 0 ? sentences.join('; ') : undefined;
}

function sentence(observation: Observation, { organization, namespace, decision }: OrganizationRotation) {
  const state = observation.organizations.find(({ name }) => name === organization)?.rotation?.state;
  if (!state || decision.kind === 'rest') return undefined;
  const what = `organization ${organization} gets a new certificate authority`;
  if (decision.kind !== 'wait') return `${what}: ${steps[decision.kind]}`;
  const { reason, phase } = decision;
  switch (reason.kind) {
    case 'untrusting':
      return `${what}: waiting until it is trusted by ${named(reason.who)}`;
    case 'holding':
      return `${what}: it issues now; waiting until nothing of the old one is in use: ${named(reason.who)}`;
    case 'time':
      return phase === 'spreading'
        ? `${what}: everybody here trusts it; it issues from ${seconds(decision.at!)} on`
        : `${what}: nothing of the old one is in use; it is trusted until ${seconds(decision.at!)}`;
    case 'awaited': {
      const fingerprint = shortFingerprint(certificatesOf(state.next!)[0]!);
      return `${what}: give the bundle in ConfigMap ${namespace}/organization-ca to ${named(reason.who)}; once each trusts it, run: kubectl annotate consortium ${observation.consortium.metadata.name} --overwrite ${ACCEPTED_ANNOTATION}=${fingerprint}`;
    }
  }
}

const steps: Record<Exclude<RotationDecision['kind'], 'rest' | 'wait'>, string> = {
  begin: 'it is being made',
  markTrusted: 'everybody here trusts it',
  unmarkTrusted: 'somebody lost it again',
  switch: 'it begins to issue',
  markUnused: 'nothing of the old one is in use',
  unmarkUnused: 'a certificate of the old one came back',
  finish: 'the old one is trusted no more',
};

function named(who: readonly string[]): string {
  const more = who.length > NAMED ? ` and ${who.length - NAMED} more` : '';
  return `${who.slice(0, NAMED).join(', ')}${more}`;
}

function seconds(at: Date): string {
  return `${at.toISOString().slice(0, 19)}Z`;
}
