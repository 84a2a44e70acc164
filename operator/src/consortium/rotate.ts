import type { Consortium } from '../api/consortium.ts';
import type { ControllerDeps } from '../deps.ts';
import { SECRETS } from '../kube/resources.ts';
import type { KubeObject } from '../kube/types.ts';
import { objectNames } from '../names.ts';
import { takeRotationStep } from '../pki/rotate.ts';
import { read } from './gather.ts';
import type { Observation } from './observation.ts';
import { type Reason, reasons } from './reasons.ts';
import { decideRotations, type OrganizationRotation } from './rotations.ts';

type RotateDeps = Pick<ControllerDeps, 'client' | 'informers' | 'events' | 'now'>;

/** While somebody is waited for whose changes are watched, a look now and then does. */
const LOOK_AGAIN_MS = 30_000;

/**
 * Takes the next step of each authority that is being replaced. A step changes the authority's Secret, which leads to the next reconcile.
 * @returns when to look again
 */
export async function rotateAuthorities(
  deps: RotateDeps,
  consortium: Consortium & KubeObject,
  observation: Observation,
): Promise<Date | undefined> {
  const rotations = decideRotations(observation);
  for (const rotation of rotations) await take(deps, consortium, observation, rotation);
  const times = rotations.map(({ decision }) => {
    if ('at' in decision && decision.at) return decision.at.getTime();
    return observation.now.getTime() + LOOK_AGAIN_MS;
  });
  return times.length > 0 ? new Date(Math.min(...times)) : undefined;
}

async function take(
  deps: RotateDeps,
  consortium: Consortium & KubeObject,
  observation: Observation,
  { organization, namespace, decision }: OrganizationRotation,
): Promise<void> {
  if (decision.kind === 'rest' || decision.kind === 'wait') return;
  const state = observation.organizations.find(({ name }) => name === organization)?.rotation?.state;
  const secret = await read(deps, SECRETS, { namespace, name: objectNames.organizationCa });
  // What was decided rests on this version of the Secret and on no other.
  if (!secret || secret.metadata.resourceVersion !== state?.version) return;
  const taken = await takeRotationStep(deps, secret, decision, `${consortium.metadata.name}/${organization}`);
  const note = taken && notes[decision.kind];
  if (note) {
    const [reason, words] = note;
    const message = `certificate authority of organization ${organization}, Secret ${namespace}/${secret.metadata.name}: ${words}`;
    deps.events.event(consortium, { type: 'Normal', reason, message });
  }
}

const notes: Record<string, readonly [Reason, string] | undefined> = {
  begin: [
    reasons.AuthorityRotationBegun,
    'a new one is made and will issue once everybody trusts it; back the Secret up',
  ],
  switch: [
    reasons.AuthoritySwitched,
    'the new one issues; the old key is gone, the old certificate trusted for a while',
  ],
  finish: [reasons.AuthorityRotationFinished, 'the old one is trusted no more'],
};
