import type { KubeClient } from '../kube/client.ts';
import { KubeApiError } from '../kube/errors.ts';
import { SECRETS } from '../kube/resources.ts';
import { type KubeObject, keyOf } from '../kube/types.ts';
import { type AuthorityChange, authorityPatch } from './authority.ts';
import type { RotationDecision } from './rotation.ts';
import { createAuthority } from './x509.ts';

/** Life of a certificate authority in days: ten years. */
export const AUTHORITY_DAYS = 3650;

/**
 * Takes one step of replacing an authority: one write to its Secret, which carries the resource version that the decision rests on.
 * @returns the Secret as it is then; undefined when there was nothing to do, or another process was faster, which shows with the next look
 */
export async function takeRotationStep(
  deps: { readonly client: Pick<KubeClient, 'patch'>; now(): Date },
  secret: KubeObject,
  decision: RotationDecision,
  commonName: string,
): Promise<KubeObject | undefined> {
  const change = await changeOf(decision, commonName, deps.now());
  if (!change) return undefined;
  try {
    return await deps.client.patch(SECRETS, keyOf(secret), authorityPatch(secret, change));
  } catch (error) {
    if (error instanceof KubeApiError && error.isConflict) return undefined;
    throw error;
  }
}

async function changeOf(
  decision: RotationDecision,
  commonName: string,
  now: Date,
): Promise<AuthorityChange | undefined> {
  switch (decision.kind) {
    case 'begin': {
      const authority = await createAuthority({ commonName, unit: unitOf(now), now, days: AUTHORITY_DAYS });
      return { kind: 'begin', authority };
    }
    case 'markTrusted':
    case 'unmarkTrusted':
      return { kind: 'markTrusted', at: decision.kind === 'markTrusted' ? now : undefined };
    case 'markUnused':
    case 'unmarkUnused':
      return { kind: 'markUnused', at: decision.kind === 'markUnused' ? now : undefined };
    case 'switch':
    case 'finish':
      return { kind: decision.kind };
    default:
      return undefined;
  }
}

/** Another name for another authority: some verifiers look for an issuer by its name first. */
function unitOf(now: Date): string {
  return `since ${now.toISOString().slice(0, 19)}Z`;
}
