import type { Consortium } from '../api/consortium.ts';
import { CONSORTIUMS } from '../api/resources.ts';
import type { Applier } from '../kube/apply.ts';
import type { InformerView } from '../kube/informer.ts';
import { CONFIGMAPS, SECRETS } from '../kube/resources.ts';
import type { KubeObject, ResourceType } from '../kube/types.ts';
import { labels, MANAGED_BY, OPERATOR_URI, objectNames } from '../names.ts';
import { manifest } from '../workload/manifest.ts';
import { type AuthorityState, authorityState, issuingAuthority } from './authority.ts';
import { type CertificateDeps, type EnsuredCertificate, ensureCertificate } from './certificate.ts';
import { certificatesOf, inspect, issuedBy } from './inspect.ts';
import { AUTHORITY_DAYS, takeRotationStep } from './rotate.ts';
import { decideRotation, type RotationDecision, type RotationView } from './rotation.ts';
import { secretData, secretText } from './secrets.ts';
import { createAuthority } from './x509.ts';

const COMMON_NAME = 'quorum-operator CA';

export interface OperatorAuthority {
  /** PEM of what doors trust beside their organization's, the issuing one first. */
  readonly caPem: string;
  readonly caNotAfter: string;
  /** Certificate by which the operator is known at doors, Secret `quorum-operator-client-tls`. */
  readonly client: EnsuredCertificate;
  /** Earliest time at which something here is due. */
  readonly renewAt: Date;
}

export interface OperatorAuthorityDeps extends CertificateDeps {
  readonly applier: Pick<Applier, 'apply' | 'createOnly'>;
  readonly config: { readonly namespace: string; readonly trustSpreadSeconds: number };
  readonly informers?:
    | { of<T extends KubeObject = KubeObject>(type: ResourceType): Pick<InformerView<T>, 'get' | 'list'> }
    | undefined;
}

/** Seconds until a rotation that waits for somebody is looked at again. */
const LOOK_AGAIN_MS = 30_000;

/**
 * The operator's own authority and client certificate, both in the operator's namespace.
 *
 * The authority is created once and never applied over; it is replaced step by step as those of organizations are, see decideRotation. Should its
 * Secret be deleted, a new one is made: nothing but trust hangs on it, and that follows by ConfigMap `operator-ca` in each organization's namespace.
 */
export async function ensureOperatorAuthority(deps: OperatorAuthorityDeps): Promise<OperatorAuthority> {
  const { namespace } = deps.config;
  const name = objectNames.operatorCaSecret;
  const live = await deps.client.get(SECRETS, { namespace, name });
  const found = live ?? (await createOperatorAuthority(deps, namespace, name));
  const state = authorityState(found);
  if (!state)
    throw new Error(`Secret ${namespace}/${name} has no tls.crt or tls.key; restore it, or delete it to get a new one`);
  const decision = decideRotation(await rotationView(deps, state));
  const stepped = await takeRotationStep(deps, found, decision, COMMON_NAME);
  const authority = issuingAuthority(stepped ?? found)!;
  const client = await ensureCertificate(deps, {
    namespace,
    secretName: objectNames.operatorClientTls,
    labels: { [labels.managedBy]: MANAGED_BY },
    authority,
    commonName: 'quorum-operator',
    uris: [OPERATOR_URI],
    usages: ['client'],
  });
  const due = [client.renewAt.getTime(), stepped ? deps.now().getTime() : lookAt(decision, deps.now())];
  return {
    caPem: authority.bundle ?? authority.certificatePem,
    caNotAfter: `${inspect(authority.certificatePem).notAfter.toISOString().slice(0, 19)}Z`,
    client,
    renewAt: new Date(Math.min(...due)),
  };
}

function lookAt(decision: RotationDecision, now: Date): number {
  const at = 'at' in decision ? decision.at : undefined;
  return at?.getTime() ?? now.getTime() + LOOK_AGAIN_MS;
}

async function rotationView(deps: OperatorAuthorityDeps, state: AuthorityState): Promise<RotationView> {
  const { namespace, trustSpreadSeconds } = deps.config;
  const clientKey = { namespace, name: objectNames.operatorClientTls };
  const client = state.previous ? await deps.client.get(SECRETS, clientKey) : undefined;
  const shows = state.previous !== undefined && issuedBy(secretText(client, 'tls.crt') ?? '', state.previous);
  return {
    state,
    now: deps.now(),
    spreadMs: trustSpreadSeconds * 1000,
    untrusting: state.next === undefined ? [] : untrustingConfigMaps(deps, state.next),
    holding: shows ? [`Secret ${namespace}/${clientKey.name}`] : [],
    awaited: [],
  };
}

/**
 * ConfigMaps `operator-ca` that lack an authority, in the namespaces of all Consortiums. One that is not in the caches counts: this process may
 * have started a moment ago, or the Consortium is suspended.
 */
function untrustingConfigMaps({ informers, config }: OperatorAuthorityDeps, pem: string): string[] {
  if (!informers) return [];
  // Its status tells whose authority a Consortium's doors trust.
  const own = `${config.namespace}/${objectNames.operatorCaSecret}`;
  const consortiums = informers
    .of<Consortium & KubeObject>(CONSORTIUMS)
    .list()
    .filter(({ status }) => status?.certificates?.some(({ name }) => name === own));
  const namespaces = consortiums.flatMap(({ status }) =>
    (status?.organizations ?? []).flatMap(({ namespace }) => namespace ?? []),
  );
  const [wanted] = certificatesOf(pem);
  return namespaces.flatMap((namespace) => {
    const configMap = informers.of(CONFIGMAPS).get({ namespace, name: objectNames.operatorCa });
    const trusts = certificatesOf(String(configMap?.data?.['ca.crt'] ?? '')).includes(wanted!);
    return trusts ? [] : [`ConfigMap ${namespace}/${objectNames.operatorCa}`];
  });
}

async function createOperatorAuthority(
  deps: OperatorAuthorityDeps,
  namespace: string,
  name: string,
): Promise<KubeObject> {
  const authority = await createAuthority({ commonName: COMMON_NAME, now: deps.now(), days: AUTHORITY_DAYS });
  const secret = manifest(
    { apiVersion: 'v1', kind: 'Secret', name, namespace, labels: { [labels.managedBy]: MANAGED_BY } },
    {
      type: 'kubernetes.io/tls',
      data: secretData({ 'tls.crt': authority.certificatePem, 'tls.key': authority.keyPem }),
    },
  );
  // Another replica may have been first: then its authority is returned.
  return (await deps.applier.createOnly(SECRETS, secret, null)).object;
}
