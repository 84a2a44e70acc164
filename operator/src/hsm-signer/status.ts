import type { HsmSignerStatus } from '../api/hsm-signer.ts';
import { type NewCondition, readyFrom, setCondition, type Verdict } from '../kube/conditions.ts';
import type { Condition } from '../kube/types.ts';
import { objectNames, ports } from '../names.ts';
import { certificateStatuses } from '../pki/status.ts';
import { podIsReady, podTrouble } from '../workload/pod.ts';
import { DATABASE } from './build/postgres-config.ts';
import { type Finding, headline, type TokenStep } from './decide.ts';
import type { SignerObservation } from './observation.ts';
import { type Reason, reasons } from './reasons.ts';

const progressing = (reason: Reason, message: string): Verdict => ({ kind: 'progressing', reason, message });
const failing = (reason: Reason, message: string): Verdict => ({ kind: 'failing', reason, message });

/** How it stands with the signer, in the terms of kstatus. */
export function verdict(observation: SignerObservation, findings: readonly Finding[], step: TokenStep): Verdict {
  const first = headline(findings);
  if (first) {
    const kind = first.kind === 'stalled' ? 'stalled' : 'progressing';
    return { kind, reason: first.reason, message: first.message };
  }
  return tokenVerdict(observation, step) ?? databaseVerdict(observation) ?? usable(observation);
}

function tokenVerdict({ signer, token }: SignerObservation, step: TokenStep): Verdict | undefined {
  const job = objectNames.token(signer.metadata.name);
  if (step.kind === 'retry') {
    return failing(
      reasons.TokenJobFailed,
      `Job ${job} could not make the token: ${step.message}. See the logs of its pods; another one tries in ${step.afterSeconds} s.`,
    );
  }
  if (token.kind !== 'made') return progressing(reasons.TokenPending, `Job ${job} is making the token.`);
  return undefined;
}

function databaseVerdict({ signer, postgres }: SignerObservation): Verdict | undefined {
  if (!postgres) return undefined;
  const name = objectNames.postgres(signer.metadata.name);
  const { pod } = postgres;
  if (pod && podIsReady(pod) && !pod.metadata.deletionTimestamp) return undefined;
  const trouble = pod && podTrouble(pod);
  if (trouble) return failing(reasons.DatabaseFailing, `Pod ${pod.metadata.name}: ${trouble.message}.`);
  return progressing(reasons.DatabaseStarting, `The database ${name} is starting.`);
}

function usable({ token }: SignerObservation): Verdict {
  const accounts = token.kind === 'made' ? token.file.keys.map((key) => key.address) : [];
  return {
    kind: 'ready',
    reason: reasons.Usable,
    message: `Nodes that name this signer sign for ${accounts.join(', ')}.`,
  };
}

/** The whole status of the signer. */
export function status(
  observation: SignerObservation,
  findings: readonly Finding[],
  step: TokenStep,
  now: Date,
): HsmSignerStatus {
  const { signer, token } = observation;
  const generation = signer.metadata.generation ?? 0;
  const previous = signer.status;
  const result = verdict(observation, findings, step);
  let conditions = (previous?.conditions ?? []) as Condition[];
  for (const condition of domainConditions(observation, findings, step)) {
    conditions = setCondition(conditions, { ...condition, observedGeneration: generation }, now);
  }
  const readiness = readyFrom({ ...previous, conditions }, result, generation, now);
  // A token that is lost keeps its accounts here: that is how the loss is known.
  const known =
    token.kind === 'made' && !findings.some((finding) => finding.blocks === 'token') ? token.file : undefined;
  const database = databaseStatus(observation);
  return {
    ...readiness,
    ...optional('token', known ? { label: known.label, serial: known.serial } : previous?.token),
    ...optional(
      'accounts',
      known
        ? known.keys
            .filter((key) => signer.spec.keys.some((wanted) => wanted.name === key.name))
            .map(({ name, address, publicKey, id }) => ({ name, address, publicKey, keyId: id }))
        : previous?.accounts,
    ),
    ...optional('database', database),
    ...certificateStatuses(observation.certificates, previous?.certificates),
  };
}

function databaseStatus({ signer, postgres }: SignerObservation): HsmSignerStatus['database'] {
  const { name, namespace } = signer.metadata;
  const external = signer.spec.database.postgres;
  if (external) return { kind: 'Postgres', host: external.host, port: external.port, name: external.name };
  if (!postgres) return { kind: 'Embedded' };
  return {
    kind: 'Provision',
    host: `${objectNames.postgres(name)}.${namespace}.svc`,
    port: ports.postgres,
    name: DATABASE,
    ready: postgres.pod !== undefined && podIsReady(postgres.pod),
  };
}

type Domain = Omit<NewCondition, 'observedGeneration'>;

function domainConditions(observation: SignerObservation, findings: readonly Finding[], step: TokenStep): Domain[] {
  const conditions: Domain[] = [];
  const add = (
    type: string,
    trouble: { reason?: string; message: string } | undefined,
    reason: Reason,
    message: string,
  ) =>
    conditions.push(
      trouble
        ? { type, status: 'False', reason: trouble.reason ?? reason, message: trouble.message }
        : { type, status: 'True', reason, message },
    );
  const blocking = (what: Finding['blocks']) =>
    findings.find((finding) => finding.blocks === what || finding.blocks === 'children');
  const serial = observation.token.kind === 'made' ? observation.token.file.serial : '';
  add(
    'TokenPresent',
    blocking('token') ?? tokenVerdict(observation, step),
    reasons.TokenPresent,
    `The token ${serial} and its PINs are in their Secrets.`,
  );
  if (observation.postgres) {
    add(
      'DatabaseReady',
      blocking('database') ?? databaseVerdict(observation),
      reasons.DatabaseRunning,
      'The database takes connections.',
    );
  }
  return conditions;
}

function optional<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return (value === undefined ? {} : { [key]: value }) as { [P in K]?: V };
}
