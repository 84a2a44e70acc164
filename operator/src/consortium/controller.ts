import type { Consortium } from '../api/consortium.ts';
import { CONSORTIUMS, QUORUMNODES, TESSERANODES } from '../api/resources.ts';
import type { ControllerDeps } from '../deps.ts';
import { getCondition } from '../kube/conditions.ts';
import { Controller, type Outcome, type Watch } from '../kube/controller.ts';
import {
  CONFIGMAPS,
  LIMITRANGES,
  NAMESPACES,
  NETWORKPOLICIES,
  RESOURCEQUOTAS,
  ROLEBINDINGS,
  SECRETS,
  SERVICES,
} from '../kube/resources.ts';
import { type Condition, type Key, type KubeObject, keyOf } from '../kube/types.ts';
import { labels, MANAGED_BY } from '../names.ts';
import { secondsUntil } from '../pki/inspect.ts';
import { certificateMetrics } from '../pki/metrics.ts';
import { ensureOperatorAuthority, type OperatorAuthority } from '../pki/operator-authority.ts';
import { type Child, children, foundation } from './build/children.ts';
import type { Claim } from './claims.ts';
import { type Decision, decide } from './decide.ts';
import { gather, gatherClaims } from './gather.ts';
import { applyProbes } from './managed.ts';
import { memberDirectory } from './members.ts';
import type { Observation } from './observation.ts';
import { perform } from './perform.ts';
import { type Reason, reasons } from './reasons.ts';
import { rotateAuthorities } from './rotate.ts';
import { statusOf, statusOfFailure, statusOfSuspended, verdictOf } from './status.ts';

/** Keys, then genesis, then what is left: more rounds mean that somebody undoes what is done, and the next reconcile goes on. */
const MAX_ROUNDS = 4;

/** What ends these may come without our label (a Secret from a backup, a ConfigMap of somebody else's), so no watch tells of it. */
const UNWATCHED: ReadonlySet<Reason> = new Set([
  reasons.KeyLost,
  reasons.KeyMismatch,
  reasons.KeyInvalid,
  reasons.KeyRequired,
  reasons.AuthorityInvalid,
  // Certificates and issuers are not watched: where cert-manager is absent, watching them fails for ever.
  reasons.IssuerNotReady,
  reasons.AuthorityShared,
  reasons.GenesisConflict,
  reasons.GenesisSourceNotFound,
]);
const RECHECK_SECONDS = 30;

/** Prepares each organization's namespace, keys, authorities, genesis and the member directory. */
export function consortiumController(deps: ControllerDeps): Controller {
  const { informers } = deps;
  const consortiums = informers.of<Consortium & KubeObject>(CONSORTIUMS);
  const members = (object: KubeObject): Key[] =>
    object.spec?.consortiumRef?.name ? [{ name: object.spec.consortiumRef.name }] : [];
  // A Consortium that lost a namespace to another one looks again when any Consortium changes or goes.
  const rivals = (): Key[] =>
    consortiums.list().flatMap((consortium) => {
      const condition = getCondition(consortium.status?.conditions as Condition[] | undefined, 'NamespacesReady');
      return condition?.reason === reasons.NamespaceConflict ? [keyOf(consortium)] : [];
    });
  certificateMetrics(deps.client.metrics.registry, {
    secrets: () => informers.of(SECRETS).list(),
    others: () => consortiums.list().flatMap(({ status }) => status?.certificates ?? []),
  });
  const owned = [NAMESPACES, ROLEBINDINGS, SECRETS, CONFIGMAPS, SERVICES, NETWORKPOLICIES, RESOURCEQUOTAS, LIMITRANGES];
  const watches: Watch[] = [
    { informer: consortiums, keys: rivals },
    { informer: informers.of(QUORUMNODES), keys: members },
    { informer: informers.of(TESSERANODES), keys: members },
    ...owned.map((type) => ({ informer: informers.of(type), keys: ownedKeys })),
  ];
  return new Controller({
    name: 'consortium',
    primary: consortiums,
    watches,
    log: deps.log,
    now: deps.now,
    metrics: deps.client.metrics,
    reconcile: async (key) => {
      const consortium = consortiums.get(key);
      return consortium === undefined ? { kind: 'done' } : reconcileConsortium(deps, consortium);
    },
  });
}

/** Children of the Consortium itself, and the keys and Services of nodes it rests on; certificates of nodes are not its business. */
function ownedKeys(object: KubeObject): Key[] {
  const { labels: held = {}, name } = object.metadata;
  const consortium = held[labels.consortium];
  const relevant =
    object.kind === 'Namespace' || held[labels.component] === 'consortium' || /-(nodekey|p2p)$/.test(name);
  return consortium !== undefined && relevant ? [{ name: consortium }] : [];
}

/** One reconcile: claim namespaces, make what is made once, apply the rest, tell the status. */
export async function reconcileConsortium(deps: ControllerDeps, consortium: Consortium & KubeObject): Promise<Outcome> {
  // Nothing of a deleted Consortium is taken away: keys, data and the policies that guard them outlive it.
  if (consortium.metadata.deletionTimestamp !== undefined) return { kind: 'done' };
  if (consortium.spec.suspend === true) {
    await deps.status.write(CONSORTIUMS, consortium, statusOfSuspended(consortium, deps.now()));
    return { kind: 'done' };
  }
  try {
    return await bringAbout(deps, consortium);
  } catch (error) {
    const status = statusOfFailure(consortium, error, deps.now());
    if (status) await deps.status.write(CONSORTIUMS, consortium, status);
    throw error;
  }
}

async function bringAbout(deps: ControllerDeps, consortium: Consortium & KubeObject): Promise<Outcome> {
  const operatorAuthority = await ensureOperatorAuthority(deps);
  const claims = await gatherClaims(deps, consortium);
  await lay(deps, consortium, claims);
  await applyProbes(deps, consortium, claims);
  const { observation, decision } = await settle(deps, consortium, claims, operatorAuthority);
  const wanted = Map.groupBy(
    children(observation, memberDirectory(observation)),
    ({ manifest }) => manifest.metadata.namespace,
  );
  await Promise.all([...wanted.values()].map((ofNamespace) => applyAll(deps, ofNamespace)));
  const stopped = decision.findings.some(({ kind }) => kind === 'stalled');
  const due = stopped ? undefined : await rotateAuthorities(deps, consortium, observation);
  return report(deps, observation, decision, due);
}

/** Namespaces and rights first: nothing in a namespace can be read before. Organizations do not wait for each other. */
async function lay(deps: ControllerDeps, consortium: Consortium & KubeObject, claims: readonly Claim[]): Promise<void> {
  const unblocked = claims.filter(({ state }) => state !== 'blocked');
  await Promise.all(unblocked.map((claim) => layOne(deps, consortium, claim)));
}

async function layOne(deps: ControllerDeps, consortium: Consortium & KubeObject, claim: Claim): Promise<void> {
  const before = deps.informers.of(NAMESPACES).get({ name: claim.namespace });
  const [changed] = await applyAll(deps, foundation(consortium.metadata.name, claim, { ...deps.config }));
  // A label that was edited is put back without a word; only the first time is an event.
  if (changed && before?.metadata.labels?.[labels.managedBy] !== MANAGED_BY) {
    const [reason, verb] =
      claim.state === 'create' ? [reasons.NamespaceCreated, 'created'] : [reasons.NamespaceAdopted, 'took over'];
    deps.events.event(consortium, {
      type: 'Normal',
      reason,
      message: `${verb} namespace ${claim.namespace} for organization ${claim.organization.name}`,
    });
  }
  await deps.informers.addNamespace(claim.namespace);
}

async function settle(
  deps: ControllerDeps,
  consortium: Consortium & KubeObject,
  claims: readonly Claim[],
  operatorAuthority: OperatorAuthority,
): Promise<{ observation: Observation; decision: Decision }> {
  for (let round = 1; ; round += 1) {
    const observation = await gather(deps, consortium, claims, operatorAuthority);
    const decision = decide(observation);
    if (decision.steps.length === 0 || round === MAX_ROUNDS) return { observation, decision };
    await perform(deps, consortium, decision);
  }
}

/** Applies in order; tells of each whether it was changed. */
async function applyAll(deps: ControllerDeps, desired: readonly Child[]): Promise<boolean[]> {
  const changes: boolean[] = [];
  for (const { type, manifest } of desired) {
    const live = deps.informers.of(type).get(keyOf(manifest));
    changes.push((await deps.applier.apply(type, manifest, live)).changed);
  }
  return changes;
}

async function report(
  deps: ControllerDeps,
  observation: Observation,
  decision: Decision,
  due: Date | undefined,
): Promise<Outcome> {
  const { consortium } = observation;
  const verdict = verdictOf(observation, decision);
  const before = getCondition(consortium.status?.conditions as Condition[] | undefined, 'Stalled');
  await deps.status.write(CONSORTIUMS, consortium, statusOf(observation, decision));
  if (verdict.kind === 'stalled' && (before?.reason !== verdict.reason || before.message !== verdict.message)) {
    deps.events.event(consortium, { type: 'Warning', reason: verdict.reason, message: verdict.message });
  }
  if (decision.findings.some((finding) => UNWATCHED.has(finding.reason)))
    return { kind: 'requeue', afterSeconds: RECHECK_SECONDS };
  if (verdict.kind === 'stalled') return verdict;
  const times = [observation.operatorAuthority.renewAt, ...(due ? [due] : [])].map((time) => time.getTime());
  return { kind: 'requeue', afterSeconds: secondsUntil(new Date(Math.min(...times)), observation.now) };
}
