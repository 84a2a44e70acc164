import type { Applier } from '../kube/apply.ts';
import { SECRETS } from '../kube/resources.ts';
import type { KubeObject } from '../kube/types.ts';
import { labels, MANAGED_BY, OPERATOR_URI, objectNames } from '../names.ts';
import { manifest } from '../workload/manifest.ts';
import { type CertificateDeps, type EnsuredCertificate, ensureCertificate } from './certificate.ts';
import { inspect, renewalTime } from './inspect.ts';
import { secretData, tlsPair } from './secrets.ts';
import { type Authority, checkAuthority, createAuthority } from './x509.ts';

/** Life of a certificate authority in days: ten years. */
export const AUTHORITY_DAYS = 3650;

export interface OperatorAuthority {
  /** PEM; doors trust it beside their organization's. */
  readonly caPem: string;
  readonly caNotAfter: string;
  /** Certificate by which the operator is known at doors, Secret `quorum-operator-client-tls`. */
  readonly client: EnsuredCertificate;
  /** Earliest time at which something here is due. */
  readonly renewAt: Date;
}

export interface OperatorAuthorityDeps extends CertificateDeps {
  readonly applier: Pick<Applier, 'apply' | 'createOnly'>;
  readonly config: { readonly namespace: string };
}

/**
 * The operator's own authority and client certificate, both in the operator's namespace.
 *
 * The authority is created once and never applied over. Should its Secret be deleted, a new one is made: nothing but trust hangs on it, and that
 * follows by ConfigMap `operator-ca` in each organization's namespace.
 */
export async function ensureOperatorAuthority(deps: OperatorAuthorityDeps): Promise<OperatorAuthority> {
  const { namespace } = deps.config;
  const authority = await operatorAuthority(deps, namespace);
  const client = await ensureCertificate(deps, {
    namespace,
    secretName: objectNames.operatorClientTls,
    labels: { [labels.managedBy]: MANAGED_BY },
    authority,
    commonName: 'quorum-operator',
    uris: [OPERATOR_URI],
    usages: ['client'],
  });
  const facts = inspect(authority.certificatePem);
  const due = [renewalTime(facts), client.renewAt].map((time) => time.getTime());
  return {
    caPem: authority.certificatePem,
    caNotAfter: `${facts.notAfter.toISOString().slice(0, 19)}Z`,
    client,
    renewAt: new Date(Math.min(...due)),
  };
}

async function operatorAuthority(deps: OperatorAuthorityDeps, namespace: string): Promise<Authority> {
  const name = objectNames.operatorCaSecret;
  const live = await deps.client.get(SECRETS, { namespace, name });
  const secret = live ?? (await createOperatorAuthority(deps, namespace, name));
  const authority = tlsPair(secret);
  if (!authority)
    throw new Error(`Secret ${namespace}/${name} has no tls.crt or tls.key; restore it, or delete it to get a new one`);
  checkAuthority(authority);
  return authority;
}

async function createOperatorAuthority(
  deps: OperatorAuthorityDeps,
  namespace: string,
  name: string,
): Promise<KubeObject> {
  const authority = await createAuthority({ commonName: 'quorum-operator CA', now: deps.now(), days: AUTHORITY_DAYS });
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
