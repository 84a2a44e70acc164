import type { Consortium } from '../api/consortium.ts';
import { CERTIFICATES } from '../cert-manager/issuer.ts';
import { certificateManifest } from '../cert-manager/manifest.ts';
import type { ControllerDeps } from '../deps.ts';
import { KubeApiError } from '../kube/errors.ts';
import { SECRETS } from '../kube/resources.ts';
import type { KubeObject } from '../kube/types.ts';
import { bundle } from '../pki/authority.ts';
import { certificatesOf, inspect } from '../pki/inspect.ts';
import { secretText } from '../pki/secrets.ts';
import { organizationLabels } from './build/labels.ts';
import type { Claim } from './claims.ts';
import type { ManagedAuthority } from './observation.ts';

/** Certificate (and Secret) by which the operator learns whom an issuer's certificates are verified by. It opens nothing. */
export const PROBE = 'organization-ca-probe';
/** Renewed after some 14 hours, so that another authority behind the issuer is known and trusted long before most leaves change to it. */
const PROBE_HOURS = 24;

type ManagedDeps = Pick<ControllerDeps, 'client' | 'applier' | 'informers' | 'now'>;

/** Asks each namespace's issuer for a certificate of no use but that its `ca.crt` tells what the organization is to trust. */
export async function applyProbes(deps: ManagedDeps, consortium: Consortium, claims: readonly Claim[]): Promise<void> {
  const { issuerRef: issuer } = consortium.spec;
  if (!issuer) return;
  const name = consortium.metadata.name;
  for (const { namespace, organization } of claims.filter(({ state }) => state !== 'blocked')) {
    const desired = certificateManifest({
      namespace,
      name: PROBE,
      labels: organizationLabels(name, organization.name),
      issuer,
      hours: PROBE_HOURS,
      commonName: `${name}/${organization.name}`,
      usages: ['server'],
    });
    try {
      const live = await deps.client.get(CERTIFICATES, { namespace, name: PROBE });
      await deps.applier.apply(CERTIFICATES, desired, live ?? null);
    } catch (error) {
      // Told by gatherManaged, which meets the same.
      if (!unavailable(error)) throw error;
    }
  }
}

/** What cert-manager says that a namespace is to trust: of the probe, and of every certificate that is still in use. */
export async function gatherManaged(
  deps: Pick<ManagedDeps, 'client' | 'informers' | 'now'>,
  namespace: string,
  issuer: NonNullable<Consortium['spec']['issuerRef']>,
): Promise<ManagedAuthority> {
  let certificate: KubeObject | undefined;
  try {
    certificate = await deps.client.get(CERTIFICATES, { namespace, name: PROBE });
  } catch (error) {
    if (!unavailable(error)) throw error;
    return { issuer, problem: `cert-manager cannot be used: ${(error as KubeApiError).message}` };
  }
  if (!certificate) return { issuer, problem: 'cert-manager is not installed: the API server knows no Certificates' };
  const secrets = deps.informers
    .of(SECRETS)
    .list(namespace)
    .filter(({ type }) => type === 'kubernetes.io/tls');
  const probe = secrets.find(({ metadata }) => metadata.name === PROBE);
  const trusted = certificatesOf(secretText(probe, 'ca.crt') ?? '');
  if (trusted.length === 0) return { issuer, problem: problemOf(certificate, probe, namespace) };
  const inUse = secrets.flatMap((secret) => certificatesOf(secretText(secret, 'ca.crt') ?? ''));
  const valid = (pem: string) => inspect(pem).notAfter > deps.now();
  return { issuer, bundle: bundle([...trusted, ...[...new Set(inUse)].filter(valid).sort()]) };
}

function problemOf(certificate: KubeObject, secret: KubeObject | undefined, namespace: string): string {
  const where = `Certificate ${namespace}/${PROBE}`;
  if (secretText(secret, 'tls.crt')) {
    return `${where} came without ca.crt: its issuer does not say by which authority its certificates are verified; use one that does (CA, Vault)`;
  }
  const conditions = (certificate.status?.conditions ?? []) as { type: string; status: string; message?: string }[];
  const ready = conditions.find(({ type, status }) => type === 'Ready' && status !== 'True');
  return `waiting for cert-manager to issue ${where}${ready?.message ? `: ${ready.message}` : ''}`;
}

function unavailable(error: unknown): boolean {
  return error instanceof KubeApiError && (error.isNotFound || error.isForbidden);
}
