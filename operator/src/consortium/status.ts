import type { Consortium, ConsortiumStatus } from '../api/consortium.ts';
import type { GenesisVerdict } from '../consensus/import-verdicts.ts';
import { getCondition, isTrue, type NewCondition, readyFrom, setCondition, type Verdict } from '../kube/conditions.ts';
import { KubeApiError, KubeConnectionError } from '../kube/errors.ts';
import type { Condition } from '../kube/types.ts';
import { objectNames } from '../names.ts';
import { inspect } from '../pki/inspect.ts';
import { type Decision, expiringAuthorities, sharedAuthority } from './decide.ts';
import { hostedValidators, identityOf, type Observation, type ObservedNode } from './observation.ts';
import { type Finding, headline, reasons } from './reasons.ts';
import { rotationMessage } from './rotations.ts';

type DomainCondition = Omit<NewCondition, 'observedGeneration'>;

/** How many missing validators a message names. */
const NAMED = 4;

/**
 * The whole status of a Consortium.
 *
 * What it recorded of keys, authorities and genesis stays recorded while the thing itself is away: these records are how a loss is told from a beginning.
 */
export function statusOf(observation: Observation, decision: Decision): ConsortiumStatus {
  const { consortium, now } = observation;
  const generation = consortium.metadata.generation ?? 0;
  let conditions = (consortium.status?.conditions ?? []) as readonly Condition[];
  for (const condition of [
    namespacesReady(decision),
    genesisReady(observation, decision),
    certificatesValid(observation, decision),
  ]) {
    conditions = setCondition(conditions, { ...condition, observedGeneration: generation }, now);
  }
  const { observedGeneration } = consortium.status ?? {};
  const previous = { conditions, ...(observedGeneration === undefined ? {} : { observedGeneration }) };
  return {
    ...readyFrom(previous, verdictOf(observation, decision), generation, now),
    genesis: genesisRecord(observation, decision),
    validators: validatorRecords(observation),
    organizations: organizationRecords(observation),
    certificates: certificateRecords(observation),
    summary: summary(observation),
  };
}

/**
 * The status after a reconcile that failed in a way that people have to know of: all that was recorded, and Ready=False with the error.
 * @returns undefined for what passes by itself: a conflict, an overloaded or unreachable API server.
 */
export function statusOfFailure(consortium: Consortium, error: unknown, now: Date): ConsortiumStatus | undefined {
  const message = failureMessage(error);
  if (message === undefined) return undefined;
  return withReadiness(consortium, { kind: 'failing', reason: reasons.ReconcileFailed, message }, now);
}

/** The status of a Consortium that nobody looks at: all that was recorded, and Ready=False with the word of why. */
export function statusOfSuspended(consortium: Consortium, now: Date): ConsortiumStatus {
  const message = 'spec.suspend is true: nothing is looked at or changed until it is removed; what runs keeps running';
  return withReadiness(consortium, { kind: 'suspended', reason: reasons.Suspended, message }, now);
}

function withReadiness(consortium: Consortium, verdict: Verdict, now: Date): ConsortiumStatus {
  const generation = consortium.metadata.generation ?? 0;
  const { conditions, observedGeneration } = consortium.status ?? {};
  const previous = {
    conditions: (conditions ?? []) as readonly Condition[],
    ...(observedGeneration === undefined ? {} : { observedGeneration }),
  };
  return { ...consortium.status, ...readyFrom(previous, verdict, generation, now) };
}

/** Of an object that the API server calls invalid only the request is told: its words can quote what was sent. */
function failureMessage(error: unknown): string | undefined {
  if (error instanceof KubeConnectionError) return undefined;
  if (!(error instanceof KubeApiError)) return error instanceof Error ? error.message : String(error);
  if (error.isForbidden) return error.message;
  return error.isInvalid
    ? `${error.request}: the API server calls the object invalid; see the log of the operator`
    : undefined;
}

/** Whether the network is as declared, and if not, the one thing to tell. */
export function verdictOf(observation: Observation, decision: Decision): Verdict {
  const finding = headline(decision.findings);
  if (finding) {
    const kind = finding.kind === 'stalled' ? 'stalled' : 'progressing';
    return { kind, reason: finding.reason, message: finding.message };
  }
  const { expired } = expiringAuthorities(observation);
  if (expired.length > 0)
    return { kind: 'failing', reason: reasons.CertificateExpired, message: expiredMessage(expired) };
  if (decision.genesis.kind === 'known' && !isStored(observation)) {
    return {
      kind: 'progressing',
      reason: reasons.GenesisPending,
      message: 'the genesis is not stored in every namespace yet',
    };
  }
  const waiting = hostedValidators(observation).flatMap((node) => notReady(node) ?? []);
  if (waiting.length > 0) {
    const more = waiting.length > NAMED ? `; and ${waiting.length - NAMED} more` : '';
    return {
      kind: 'progressing',
      reason: reasons.ValidatorsNotReady,
      message: `waiting for ${waiting.slice(0, NAMED).join('; ')}${more}`,
    };
  }
  return { kind: 'ready', reason: reasons.Running, message: summary(observation) };
}

function notReady({ namespace, name, quorumNode }: ObservedNode): string | undefined {
  if (!quorumNode) return `QuorumNode ${namespace}/${name}: not found`;
  const ready = getCondition(quorumNode.status?.conditions as Condition[] | undefined, 'Ready');
  if (ready?.status === 'True') return undefined;
  return `QuorumNode ${namespace}/${name}: ${ready ? `${ready.reason}: ${ready.message}` : 'not seen by its controller yet'}`;
}

function namespacesReady(decision: Decision): DomainCondition {
  const finding = headline(decision.findings.filter(({ about }) => about === 'namespaces'));
  return finding
    ? failed('NamespacesReady', finding)
    : {
        type: 'NamespacesReady',
        status: 'True',
        reason: reasons.NamespacesPrepared,
        message: 'every organization hosted here has its namespace',
      };
}

function genesisReady(observation: Observation, decision: Decision): DomainCondition {
  const type = 'GenesisReady';
  const { genesis } = decision;
  if (genesis.kind === 'pending') return failed(type, genesis.finding);
  if (!isStored(observation)) {
    return {
      type,
      status: 'False',
      reason: reasons.GenesisPending,
      message: 'the genesis is not stored in every namespace yet',
    };
  }
  const questionable = genesis.verdicts.filter(({ verdict }) => verdict !== 'Safe');
  const identity = `chain ${genesis.chainId}, SHA-256 ${genesis.sha256}`;
  if (questionable.length === 0) return { type, status: 'True', reason: reasons.GenesisStored, message: identity };
  const list = questionable.map(({ setting, verdict, message }) => `${verdict}: ${setting}: ${message}`).join('; ');
  return { type, status: 'True', reason: reasons.GenesisRisky, message: `${identity}; used as it is, but ${list}` };
}

function certificatesValid(observation: Observation, decision: Decision): DomainCondition {
  const type = 'CertificatesValid';
  const finding = headline(decision.findings.filter(({ about }) => about === 'certificates'));
  if (finding) return failed(type, finding);
  if (observation.organizations.some(({ authority }) => authority.kind !== 'present')) {
    return {
      type,
      status: 'False',
      reason: reasons.CertificatesPending,
      message: 'certificate authorities are not made yet',
    };
  }
  const { expired, expiring } = expiringAuthorities(observation);
  if (expired.length > 0)
    return { type, status: 'False', reason: reasons.CertificateExpired, message: expiredMessage(expired) };
  const rotating = rotationMessage(observation);
  if (rotating !== undefined) return { type, status: 'True', reason: reasons.AuthorityRotating, message: rotating };
  if (expiring.length > 0) {
    const message = `certificate authorities expire soon: ${expiring.join(', ')}`;
    return { type, status: 'True', reason: reasons.CertificateExpiring, message };
  }
  const shared = sharedAuthority(observation);
  if (shared !== undefined) return { type, status: 'True', reason: reasons.AuthorityShared, message: shared };
  return { type, status: 'True', reason: reasons.CertificatesValid, message: 'every certificate authority is valid' };
}

function expiredMessage(expired: readonly string[]): string {
  return `certificate authorities expired: ${expired.join(', ')}; no certificate of theirs is trusted any more`;
}

function failed(type: string, { reason, message }: Finding): DomainCondition {
  return { type, status: 'False', reason, message };
}

/** Each namespace of ours has its copy; a namespace that is blocked cannot have one. */
function isStored({ organizations }: Observation): boolean {
  return organizations.every(({ genesis }) => genesis !== undefined);
}

function genesisRecord({ consortium, organizations }: Observation, { genesis }: Decision): ConsortiumStatus['genesis'] {
  const previous = consortium.status?.genesis;
  if (genesis.kind !== 'known' || !organizations.some((organization) => organization.genesis !== undefined))
    return previous;
  const { sha256, configHash, chainId } = genesis;
  return {
    sha256,
    configHash,
    chainId,
    ...(previous?.hash === undefined ? {} : { hash: previous.hash }),
    ...(genesis.verdicts.length === 0 ? {} : { verdicts: verdictRecords(genesis.verdicts) }),
  };
}

const SEVERITY = { Fatal: 0, Risky: 1, Safe: 2 } as const;

/** Worst first and within the bounds of the schema: keys of an imported genesis are of any number and length. */
function verdictRecords(verdicts: readonly GenesisVerdict[]): GenesisVerdict[] {
  return [...verdicts]
    .sort((a, b) => SEVERITY[a.verdict] - SEVERITY[b.verdict])
    .slice(0, 64)
    .map(({ setting, verdict, message }) => ({
      setting: setting.slice(0, 256),
      verdict,
      message: message.slice(0, 1024),
    }));
}

function validatorRecords(observation: Observation): ConsortiumStatus['validators'] {
  const { spec, status } = observation.consortium;
  return spec.validators.flatMap(({ organization, node, address }): NonNullable<ConsortiumStatus['validators']> => {
    if (node === undefined)
      return address === undefined ? [] : [{ organization, address: address.toLowerCase(), ready: false }];
    const observed = hostedValidators(observation).find(
      (candidate) => candidate.organization === organization && candidate.name === node,
    );
    // A recorded address wins over a key that was swapped, or the swap would be accepted by the next reconcile.
    const recorded = status?.validators?.find(
      (validator) => validator.organization === organization && validator.node === node,
    )?.address;
    const known = recorded ?? (observed && identityOf(observed)?.address);
    return known === undefined
      ? []
      : [{ organization, node, address: known, ready: observed !== undefined && notReady(observed) === undefined }];
  });
}

function organizationRecords({ consortium, claims, organizations }: Observation): ConsortiumStatus['organizations'] {
  return consortium.spec.organizations.map(({ name }) => {
    const claim = claims.find(({ organization }) => organization.name === name);
    const authority = organizations.find((organization) => organization.name === name)?.authority;
    const caNotAfter =
      authority?.kind === 'present'
        ? expiry(authority.value)
        : consortium.status?.organizations?.find((organization) => organization.name === name)?.caNotAfter;
    return {
      name,
      ...(claim ? { namespace: claim.namespace } : {}),
      ...(caNotAfter === undefined ? {} : { caNotAfter }),
    };
  });
}

/** The operator's own and each organization's authority; the certificates of nodes are told by these. */
function certificateRecords(observation: Observation): ConsortiumStatus['certificates'] {
  const { operator, operatorAuthority, organizations } = observation;
  const { client, caNotAfter } = operatorAuthority;
  return [
    { name: `${operator.namespace}/${objectNames.operatorCaSecret}`, notAfter: caNotAfter },
    { name: `${operator.namespace}/${client.secretName}`, notAfter: client.notAfter },
    ...organizations.flatMap(({ namespace, authority }) =>
      authority.kind === 'present'
        ? [{ name: `${namespace}/${objectNames.organizationCa}`, notAfter: expiry(authority.value) }]
        : [],
    ),
  ];
}

function expiry(pem: string): string {
  return `${inspect(pem).notAfter.toISOString().slice(0, 19)}Z`;
}

function summary(observation: Observation): string {
  const { spec } = observation.consortium;
  const validators = hostedValidators(observation);
  const ready = validators.filter((node) => notReady(node) === undefined).length;
  const members = observation.nodes.filter((node) => !node.declared);
  const serving = members.filter((node) =>
    isTrue(node.quorumNode?.status?.conditions as Condition[] | undefined, 'Ready'),
  ).length;
  const elsewhere = spec.validators.length - spec.validators.filter(({ node }) => node !== undefined).length;
  return [
    `${spec.organizations.length} organizations`,
    `${ready}/${spec.validators.length - elsewhere} validators ready${elsewhere > 0 ? ` and ${elsewhere} elsewhere` : ''}`,
    ...(members.length > 0 ? [`${serving}/${members.length} members ready`] : []),
  ].join(', ');
}
