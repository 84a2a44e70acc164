import { readFileSync } from 'node:fs';
import { Agent, request } from 'undici';
import type { TokenConfig } from './config.ts';

interface SecretObject {
  readonly metadata: { readonly resourceVersion: string };
  readonly data?: Record<string, string>;
}

/** The one Secret that the Job may read and patch. */
export interface TokenSecret {
  read(): Promise<SecretObject>;
  /** Adds data keys; refused by the server (409) when the Secret has changed since `resourceVersion`. */
  add(data: Record<string, Buffer>, resourceVersion: string): Promise<void>;
}

/** Reaches the API server with the Job's own ServiceAccount token, trusting the cluster's CA only. */
export function tokenSecret(config: TokenConfig, env: NodeJS.ProcessEnv): TokenSecret {
  const { namespace, name } = config.secret;
  const url = `${config.apiServer.url ?? inCluster(env)}/api/v1/namespaces/${namespace}/secrets/${name}`;
  const dispatcher = new Agent({ connect: { ca: readFileSync(config.apiServer.caFile, 'utf8') } });

  const call = async (method: 'GET' | 'PATCH', body?: unknown): Promise<SecretObject> => {
    const response = await request(url, {
      method,
      dispatcher,
      headers: {
        authorization: `Bearer ${readFileSync(config.apiServer.tokenFile, 'utf8').trim()}`,
        accept: 'application/json',
        ...(body === undefined ? {} : { 'content-type': 'application/merge-patch+json' }),
      },
      body: body === undefined ? null : JSON.stringify(body),
      headersTimeout: 10_000,
      bodyTimeout: 10_000,
    });
    const text = await response.body.text();
    if (response.statusCode !== 200) {
      const message = statusMessage(text);
      throw new Error(
        `${method} Secret ${namespace}/${name}: the API server answered ${response.statusCode}: ${message}`,
      );
    }
    return JSON.parse(text) as SecretObject;
  };

  return {
    read: () => call('GET'),
    async add(data, resourceVersion) {
      const encoded = Object.fromEntries(Object.entries(data).map(([key, value]) => [key, value.toString('base64')]));
      await call('PATCH', { metadata: { resourceVersion }, data: encoded });
    },
  };
}

function inCluster(env: NodeJS.ProcessEnv): string {
  const host = env.KUBERNETES_SERVICE_HOST;
  const port = env.KUBERNETES_SERVICE_PORT_HTTPS ?? env.KUBERNETES_SERVICE_PORT ?? '443';
  if (host === undefined) throw new Error('KUBERNETES_SERVICE_HOST is not set: give apiServer.url outside a cluster.');
  return `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** The message of a Kubernetes Status; never the body itself, which could hold the Secret. */
function statusMessage(text: string): string {
  try {
    const status = JSON.parse(text) as { kind?: string; message?: string };
    return status.kind === 'Status' ? (status.message ?? 'no message') : 'no Status';
  } catch {
    return 'no JSON';
  }
}
