import { randomBytes } from 'node:crypto';
import { TESSERANODES } from '../api/resources.ts';
import type { TesseraNode } from '../api/tessera-node.ts';
import type { ControllerDeps } from '../deps.ts';
import { getCondition, type Verdict } from '../kube/conditions.ts';
import type { Outcome } from '../kube/controller.ts';
import { NETWORKPOLICIES, PODDISRUPTIONBUDGETS, PODS, SECRETS, SERVICES, STATEFULSETS } from '../kube/resources.ts';
import { type Condition, type Key, type KubeObject, keyString, type ResourceType } from '../kube/types.ts';
import { certificateUri, objectNames } from '../names.ts';
import { AuthorityMissingError, type EnsuredCertificate, ensureCertificate } from '../pki/certificate.ts';
import { secondsUntil } from '../pki/inspect.ts';
import { removeOldConfigurations } from '../workload/config-garbage.ts';
import { followNamespace } from '../workload/follow.ts';
import { podIsReady } from '../workload/pod.ts';
import { RolloutLock } from '../workload/rollout-lock.ts';
import { CONFIG_LABEL, configSecret, tesseraFiles } from './build/config.ts';
import { disruptionBudget } from './build/disruption-budget.ts';
import { tesseraNetworkPolicy } from './build/network-policy.ts';
import { databasePasswordSecret, keySecret } from './build/secrets.ts';
import { tesseraService } from './build/service.ts';
import { tesseraStatefulSet } from './build/stateful-set.ts';
import { decide, type Finding } from './decide.ts';
import { frameLabels, hostNames } from './frame.ts';
import { gather } from './gather.ts';
import { generateTesseraKey } from './keys.ts';
import type { TesseraObservation } from './observation.ts';
import { accessOf, frameOf, planOf, podPlanOf } from './plan.ts';
import { reasons } from './reasons.ts';
import { type Rollout, rollout } from './rollout.ts';
import { status, verdict } from './status.ts';

/** Seconds until it is looked at again although nothing was told. Secrets of users are not watched. */
const LOOK_AGAIN = { userSecrets: 5, notReady: 10 } as const;
const USER_SECRETS = new Set<string>([
  reasons.KeyNotFound,
  reasons.KeyInvalid,
  reasons.KeyLost,
  reasons.DatabaseCredentialsNotFound,
]);

/** One transaction manager's way from what is declared to what runs. */
export class TesseraNodeReconciler {
  readonly #deps: ControllerDeps;
  readonly #lock: RolloutLock;

  constructor(deps: ControllerDeps) {
    this.#deps = deps;
    this.#lock = new RolloutLock(deps.now);
  }

  async reconcile(key: Key): Promise<Outcome> {
    const id = keyString(key);
    const tessera = this.#deps.informers.of<KubeObject>(TESSERANODES).get(key) as TesseraNode | undefined;
    if (!tessera) {
      this.#lock.forget(id);
      return { kind: 'done' };
    }
    // Children go with the garbage collector; keys and volumes stay.
    if (tessera.metadata.deletionTimestamp) return { kind: 'done' };

    const namespace = tessera.metadata.namespace!;
    const prepared = await followNamespace(this.#deps, namespace);
    let observation = await gather(this.#deps, tessera, prepared);
    let findings = decide(observation);
    let renewSeconds: number | undefined;
    if (!findings.some((finding) => finding.blocks === 'children')) {
      ({ observation, findings, renewSeconds } = await this.#apply(observation, findings));
    }
    const decision = await this.#rollOut(id, observation, findings);
    const result = verdict(observation, findings, decision);
    await this.#tell(observation, result, decision);
    if (result.kind === 'ready') {
      const of = { namespace, name: tessera.metadata.name, label: CONFIG_LABEL, value: 'tessera' };
      await removeOldConfigurations(this.#deps, of);
    }
    if (findings.some((finding) => USER_SECRETS.has(finding.reason)))
      return { kind: 'requeue', afterSeconds: LOOK_AGAIN.userSecrets };
    if (result.kind === 'stalled') return { kind: 'stalled', reason: result.reason, message: result.message };
    if (result.kind === 'ready')
      return renewSeconds === undefined ? { kind: 'done' } : { kind: 'requeue', afterSeconds: renewSeconds };
    return { kind: 'requeue', afterSeconds: LOOK_AGAIN.notReady };
  }

  async #apply(
    before: TesseraObservation,
    foundBefore: Finding[],
  ): Promise<{ observation: TesseraObservation; findings: Finding[]; renewSeconds?: number }> {
    const frame = frameOf(before);
    await Promise.all([
      this.#applyChild(SERVICES, tesseraService(frame)),
      this.#applyChild(NETWORKPOLICIES, tesseraNetworkPolicy(frame, accessOf(before))),
      this.#applyChild(PODDISRUPTIONBUDGETS, disruptionBudget(frame)),
    ]);
    let certificates: EnsuredCertificate[];
    try {
      certificates = await this.#ensureCertificates(before);
    } catch (error) {
      if (!(error instanceof AuthorityMissingError)) throw error;
      const finding: Finding = {
        kind: 'waiting',
        reason: reasons.CertificateNotReady,
        message: `${error.message}.`,
        blocks: 'template',
      };
      return { observation: before, findings: [...foundBefore, finding] };
    }
    const renewSeconds = Math.min(
      ...certificates.map((certificate) => secondsUntil(certificate.renewAt, this.#deps.now())),
    );
    const observation = { ...(await this.#createSecrets(before, foundBefore)), certificates };
    const findings = decide(observation);
    const blocked = findings.some((finding) => finding.blocks === 'template' || !observation.statefulSet);
    if (blocked) return { observation, findings, renewSeconds };
    const statefulSet = await this.#applyWorkload(observation, certificates[0]!.fingerprint);
    return { observation: { ...observation, statefulSet }, findings, renewSeconds };
  }

  /** Keys and the database's password are made once, when nothing can be lost by it, and only after everything else fits. */
  async #createSecrets(observation: TesseraObservation, findings: readonly Finding[]): Promise<TesseraObservation> {
    if (findings.some((finding) => finding.kind === 'stalled')) return observation;
    const frame = frameOf(observation);
    const { tessera, keys, database } = observation;
    let made = false;
    for (const [index, key] of keys.entries()) {
      if (key.kind !== 'missing' || !key.generate || tessera.status?.publicKeys?.[index]) continue;
      await this.#deps.applier.createOnly(SECRETS, keySecret(frame, key.secretName, generateTesseraKey()));
      made = true;
    }
    if (database.kind === 'embedded' && !database.password) {
      const password = randomBytes(24).toString('base64url');
      await this.#deps.applier.createOnly(SECRETS, databasePasswordSecret(frame, password));
      made = true;
    }
    // Read again what is really there: another process may have been first.
    const issued = database.kind === 'postgres' && database.issued && !database.credentials;
    return made || issued ? gather(this.#deps, tessera, true) : observation;
  }

  async #ensureCertificates(observation: TesseraObservation): Promise<EnsuredCertificate[]> {
    const frame = frameOf(observation);
    const { name, namespace, consortium, organization } = frame;
    const common = {
      namespace,
      uris: [certificateUri(consortium, organization, 'tessera', name)],
      labels: frameLabels(frame),
      owner: frame.owner,
    };
    const own = ensureCertificate(this.#deps, {
      ...common,
      secretName: objectNames.tls(name),
      commonName: name,
      dnsNames: hostNames(frame),
      usages: ['server', 'client'],
    });
    const { postgres } = observation.tessera.spec.database;
    if (!postgres?.certificate || postgres.certificate.secretRef) return [await own];
    const database = ensureCertificate(this.#deps, {
      ...common,
      secretName: objectNames.databaseTls(name),
      commonName: postgres.user,
      usages: ['client'],
    });
    return Promise.all([own, database]);
  }

  async #applyWorkload(observation: TesseraObservation, fingerprint: string): Promise<KubeObject> {
    const frame = frameOf(observation);
    const configuration = configSecret(frame, planOf(observation));
    const { name, namespace } = configuration.metadata;
    const live = this.#deps.informers.of(SECRETS).get({ name, namespace: namespace! });
    await this.#deps.applier.createOnly(SECRETS, configuration, live ?? null);
    const plan = podPlanOf(observation, { name, files: tesseraFiles(configuration) }, fingerprint);
    // The API server lets nobody change the claim template.
    const claim = observation.statefulSet?.spec?.volumeClaimTemplates?.[0]?.spec;
    const size: unknown = claim?.resources?.requests?.storage;
    const storage =
      typeof size === 'string'
        ? { size, storageClassName: claim.storageClassName as string | undefined }
        : plan.storage;
    return this.#applyChild(STATEFULSETS, tesseraStatefulSet(frame, { ...plan, storage }));
  }

  async #applyChild(type: ResourceType, child: KubeObject): Promise<KubeObject> {
    const { name, namespace } = child.metadata;
    const live = this.#deps.informers.of(type).get({ name, namespace: namespace! });
    return (await this.#deps.applier.apply(type, child, live ?? null)).object;
  }

  async #rollOut(id: string, observation: TesseraObservation, findings: readonly Finding[]): Promise<Rollout> {
    const consortium = observation.tessera.spec.consortiumRef.name;
    const { pod } = observation;
    if (pod && podIsReady(pod)) this.#lock.release(consortium, id, pod.metadata.uid);
    const decision = rollout(observation, this.#lock.heldByOther(consortium, id));
    if (decision.kind !== 'restart') return decision;
    if (findings.some((finding) => finding.blocks !== 'start')) return { kind: 'none' };
    if (!this.#lock.take(consortium, id, decision.uid))
      return { kind: 'wait', message: 'another one is being restarted.' };
    const { name, namespace } = pod!.metadata;
    await this.#deps.client.delete(PODS, { name, namespace: namespace! }, { uid: decision.uid });
    return decision;
  }

  async #tell(observation: TesseraObservation, result: Verdict, decision: Rollout): Promise<void> {
    const { tessera } = observation;
    const before = getCondition(tessera.status?.conditions as Condition[] | undefined, 'Ready');
    await this.#deps.status.write(TESSERANODES, tessera, status(observation, result, this.#deps.now()));
    const reason = result.reason ?? reasons.Serving;
    if (before?.reason !== reason || (before.status === 'True') !== (result.kind === 'ready')) {
      const type = result.kind === 'stalled' || result.kind === 'failing' ? 'Warning' : 'Normal';
      this.#deps.events.event(tessera, { type, reason, message: result.message });
    }
    if (decision.kind === 'restart') {
      const message = `Restarting pod ${observation.pod?.metadata.name}: ${decision.why}.`;
      this.#deps.events.event(tessera, { type: 'Normal', reason: reasons.RolloutUnderway, message, action: 'Restart' });
    }
  }
}
