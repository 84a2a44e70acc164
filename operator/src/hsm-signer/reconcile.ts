import type { HsmSigner } from '../api/hsm-signer.ts';
import { HSMSIGNERS } from '../api/resources.ts';
import type { ControllerDeps } from '../deps.ts';
import { getCondition } from '../kube/conditions.ts';
import type { Outcome } from '../kube/controller.ts';
import type { Condition, Key, KubeObject } from '../kube/types.ts';
import { objectNames } from '../names.ts';
import { AuthorityMissingError, type EnsuredCertificate } from '../pki/certificate.ts';
import { secondsUntil } from '../pki/inspect.ts';
import { followNamespace } from '../workload/follow.ts';
import { applyDatabase, applyGround, deleteJob, makeToken, removeTokenJob } from './children.ts';
import { decide, type Finding, type TokenStep, tokenStep } from './decide.ts';
import { gather } from './gather.ts';
import type { SignerObservation } from './observation.ts';
import { reasons } from './reasons.ts';
import { status, verdict } from './status.ts';

/** Seconds until something outside the caches (a Secret of the user's, EndpointSlices) is looked at again. */
const LOOK_AGAIN_SECONDS = 5;

/** One signer's way from what is declared to what is there: gather, decide, apply, say how it stands. */
export async function reconcileSigner(deps: ControllerDeps, key: Key): Promise<Outcome> {
  const signer = deps.informers.of<KubeObject>(HSMSIGNERS).get(key) as HsmSigner | undefined;
  // Children go with the garbage collector; PINs, token and volume stay unless deletion is to destroy them.
  if (!signer || signer.metadata.deletionTimestamp) return { kind: 'done' };

  const { namespace } = signer.metadata;
  // A process that has just started has empty caches, which must not be taken for an organization that is not prepared.
  await followNamespace(deps, namespace!);

  let observation = await gather(deps, signer);
  const findings = decide(observation);
  const step = tokenStep(observation, findings, deps.now());
  let renewSeconds = Number.POSITIVE_INFINITY;
  if (!blocked(findings, 'children')) {
    const [, certificates] = await Promise.all([
      takeTokenStep(deps, observation, step),
      database(deps, observation, findings),
    ]);
    observation = { ...observation, certificates };
    renewSeconds = Math.min(...(certificates ?? []).map(({ renewAt }) => secondsUntil(renewAt, deps.now())));
  }
  await tell(deps, observation, findings, step);
  return next(findings, observation, step, renewSeconds);
}

function blocked(findings: readonly Finding[], what: Finding['blocks']): boolean {
  return findings.some((finding) => finding.blocks === what || finding.blocks === 'children');
}

async function takeTokenStep(deps: ControllerDeps, observation: SignerObservation, step: TokenStep): Promise<void> {
  await applyGround(deps, observation);
  const { job } = observation;
  if (step.kind === 'make') await makeToken(deps, observation);
  if (step.kind === 'retry' && step.afterSeconds === 0 && job) await deleteJob(deps, job);
  if (step.kind === 'cleanUp' && job) await removeTokenJob(deps, observation, job);
}

/** @returns the certificates; a missing authority becomes a finding */
async function database(
  deps: ControllerDeps,
  observation: SignerObservation,
  findings: Finding[],
): Promise<EnsuredCertificate[] | undefined> {
  if (blocked(findings, 'database')) return undefined;
  try {
    return await applyDatabase(deps, observation);
  } catch (error) {
    if (!(error instanceof AuthorityMissingError)) throw error;
    findings.push({
      kind: 'waiting',
      reason: reasons.CertificateNotReady,
      message: `${error.message}.`,
      blocks: 'database',
    });
    return undefined;
  }
}

/** Status and events, written when they say something new. */
async function tell(
  deps: ControllerDeps,
  observation: SignerObservation,
  findings: readonly Finding[],
  step: TokenStep,
): Promise<void> {
  const { signer } = observation;
  const before = getCondition(signer.status?.conditions as Condition[] | undefined, 'Ready');
  const next = status(observation, findings, step, deps.now());
  await deps.status.write(HSMSIGNERS, signer as unknown as KubeObject, next);
  const result = verdict(observation, findings, step);
  const reason = result.reason ?? reasons.Usable;
  const object = signer as unknown as KubeObject;
  if (!signer.status?.token && next.token) {
    const accounts = (next.accounts ?? []).map((account) => account.address).join(', ');
    const message = `Token ${next.token.label} (serial ${next.token.serial}) holds ${accounts}. Back up Secrets ${objectNames.token(signer.metadata.name)} and ${objectNames.pin(signer.metadata.name)}.`;
    deps.events.event(object, { type: 'Normal', reason: reasons.TokenMade, message });
  }
  if (before?.reason !== reason || (before.status === 'True') !== (result.kind === 'ready')) {
    const type = result.kind === 'stalled' || result.kind === 'failing' ? 'Warning' : 'Normal';
    deps.events.event(object, { type, reason, message: result.message });
  }
}

function next(
  findings: readonly Finding[],
  observation: SignerObservation,
  step: TokenStep,
  renewSeconds: number,
): Outcome {
  const result = verdict(observation, findings, step);
  if (step.kind === 'retry') return { kind: 'requeue', afterSeconds: Math.max(1, step.afterSeconds) };
  // Secrets that the user brings are not in the caches, so nothing tells when they come or come back.
  const outside = findings.some(({ reason }) =>
    (
      [reasons.PinSecretNotFound, reasons.PinSecretInvalid, reasons.KeyLost, reasons.ApiServerUnknown] as string[]
    ).includes(reason),
  );
  if (outside) return { kind: 'requeue', afterSeconds: LOOK_AGAIN_SECONDS };
  if (result.kind === 'stalled') return { kind: 'stalled', reason: result.reason, message: result.message };
  return Number.isFinite(renewSeconds) ? { kind: 'requeue', afterSeconds: renewSeconds } : { kind: 'done' };
}
