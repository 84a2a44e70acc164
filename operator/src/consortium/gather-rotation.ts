import type { ControllerDeps } from '../deps.ts';
import { CONFIGMAPS, PODS, SECRETS } from '../kube/resources.ts';
import type { KubeObject } from '../kube/types.ts';
import { labels, objectNames } from '../names.ts';
import { CERTIFICATE_ANNOTATION, TRUSTS_ANNOTATION } from '../pki/annotations.ts';
import { type AuthorityState, authorityState } from '../pki/authority.ts';
import { certificatesOf, inspect, issuedBy, shortFingerprint } from '../pki/inspect.ts';
import { secretText } from '../pki/secrets.ts';
import type { Claim } from './claims.ts';
import { PROBE } from './managed.ts';
import type { ObservedRotation } from './observation.ts';

type GatherDeps = Pick<ControllerDeps, 'informers'>;

/**
 * Who does not trust the next authority yet, or still shows a certificate of the previous one; from the caches, and only while one is replaced.
 * @param secret Secret `organization-ca`, which must be usable
 * @param all every namespace of the Consortium here: other organizations' managers trust this authority, too
 */
export function gatherRotation(
  deps: GatherDeps,
  secret: KubeObject,
  namespace: string,
  all: readonly Claim[],
): ObservedRotation | undefined {
  const state = authorityState(secret);
  if (!state) return undefined;
  return {
    state,
    untrusting: state.next === undefined ? [] : untrusting(deps, state, namespace, all),
    holding: state.previous === undefined ? [] : holding(deps, state.previous, namespace),
  };
}

function untrusting(deps: GatherDeps, state: AuthorityState, namespace: string, all: readonly Claim[]): string[] {
  const [next] = certificatesOf(state.next!);
  const lacks = (pem: unknown) => !certificatesOf(String(pem ?? '')).includes(next!);
  const configMap = (where: string, name: string) => {
    const found = deps.informers.of(CONFIGMAPS).get({ namespace: where, name });
    return lacks(found?.data?.['ca.crt']) ? [`ConfigMap ${where}/${name}`] : [];
  };
  const word = shortFingerprint(next!);
  return [
    ...configMap(namespace, objectNames.organizationCa),
    ...all.flatMap((claim) => configMap(claim.namespace, objectNames.membersCa)),
    ...leaves(deps, namespace)
      .filter((secret) => lacks(secretText(secret, 'ca.crt')))
      .map((secret) => `Secret ${namespace}/${secret.metadata.name}`),
    ...all
      .flatMap((claim) => pods(deps, claim.namespace))
      .filter((pod) => readsAtStart(pod, pod.metadata.namespace === namespace))
      .filter((pod) => !(pod.metadata.annotations?.[TRUSTS_ANNOTATION] ?? '').split('-').includes(word))
      .map((pod) => `Pod ${pod.metadata.namespace}/${pod.metadata.name}`),
  ];
}

/** Certificates in Secrets, and those that a process read at its start and still uses. */
function holding(deps: GatherDeps, previous: string, namespace: string): string[] {
  const shown = leaves(deps, namespace);
  const old = shown.filter((secret) => issuedBy(secretText(secret, 'tls.crt') ?? '', previous));
  const fingerprints = new Set(
    shown.flatMap((secret) => {
      const pem = secretText(secret, 'tls.crt');
      return pem ? [inspect(pem).fingerprint] : [];
    }),
  );
  const outdated = pods(deps, namespace).filter((pod) => {
    const used = pod.metadata.annotations?.[CERTIFICATE_ANNOTATION];
    return used !== undefined && !fingerprints.has(used);
  });
  return [
    ...old.map((secret) => `Secret ${namespace}/${secret.metadata.name}`),
    ...outdated.map((pod) => `Pod ${namespace}/${pod.metadata.name}`),
  ];
}

/** Secrets with a certificate that an authority issued; the authority's own is none. */
function leaves(deps: GatherDeps, namespace: string): KubeObject[] {
  return deps.informers
    .of(SECRETS)
    .list(namespace)
    .filter(
      ({ type, metadata }) =>
        type === 'kubernetes.io/tls' && ![objectNames.organizationCa, PROBE].includes(metadata.name),
    );
}

function pods(deps: GatherDeps, namespace: string): KubeObject[] {
  return deps.informers
    .of(PODS)
    .list(namespace)
    .filter((pod) => pod.status?.phase !== 'Succeeded' && pod.status?.phase !== 'Failed');
}

/** Tessera reads all members' authorities at its start, geth that of its own transaction manager's organization. */
function readsAtStart(pod: KubeObject, own: boolean): boolean {
  const component = pod.metadata.labels?.[labels.component];
  if (component === 'tessera') return true;
  const secrets = ((pod.spec?.volumes ?? []) as { secret?: { secretName?: string } }[]).map(({ secret }) => secret);
  const instance = pod.metadata.labels?.[labels.instance] ?? '';
  return own && component === 'node' && secrets.some((secret) => secret?.secretName === objectNames.ptmTls(instance));
}
