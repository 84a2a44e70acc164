import type { KubeClient } from '../kube/client.ts';
import { SECRETS } from '../kube/resources.ts';
import { objectNames } from '../names.ts';
import type { ClientCredentials } from './client.ts';

/** How long a certificate that was read is used before the Secret is read again. It is renewed weeks before it ends. */
const KEPT_MS = 60_000;

/**
 * The operator's client certificate from its Secret in the operator's own namespace, for DoorClient.
 * While the Secret does not exist it is looked for at each call, because nothing works without it.
 */
export function operatorCredentials(
  client: Pick<KubeClient, 'get'>,
  namespace: string,
  now: () => Date,
): () => Promise<ClientCredentials | undefined> {
  let kept: { readonly value: ClientCredentials; readonly until: number } | undefined;
  return async () => {
    if (kept && kept.until > now().getTime()) return kept.value;
    const secret = await client.get(SECRETS, { namespace, name: objectNames.operatorClientTls });
    const certificate = decoded(secret?.data?.['tls.crt']);
    const key = decoded(secret?.data?.['tls.key']);
    if (!certificate || !key) return undefined;
    kept = { value: { certificate, key }, until: now().getTime() + KEPT_MS };
    return kept.value;
  };
}

function decoded(base64: unknown): string | undefined {
  return typeof base64 === 'string' && base64 !== '' ? Buffer.from(base64, 'base64').toString('utf8') : undefined;
}
