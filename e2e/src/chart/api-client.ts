import { readFileSync } from 'node:fs';
import { Agent, request as httpsRequest } from 'node:https';
import { parse } from 'yaml';

// biome-ignore lint/suspicious/noExplicitAny: raw JSON of any resource
export type Manifest = any;

export interface Reply {
  readonly status: number;
  readonly text: string;
}

export interface Call {
  readonly body?: unknown;
  readonly contentType?: string;
  readonly query?: Record<string, string>;
  /** Acts as this user; the administrator of the kubeconfig must be allowed to impersonate. */
  readonly as?: { readonly user: string; readonly groups?: readonly string[] };
}

const CLUSTER_SCOPED = new Set([
  'Namespace',
  'Node',
  'ClusterRole',
  'ClusterRoleBinding',
  'CustomResourceDefinition',
  'Consortium',
  'PriorityClass',
  'ValidatingAdmissionPolicy',
  'ValidatingAdmissionPolicyBinding',
]);

/** Requests with full control over query and impersonation, which tests of schemas and admission need. */
export class ApiClient {
  readonly #server: string;
  readonly #agent: Agent;

  constructor(kubeconfig: string) {
    const config = parse(readFileSync(kubeconfig, 'utf8'));
    const { cluster } = config.clusters[0];
    const { user } = config.users[0];
    const decoded = (base64: string) => Buffer.from(base64, 'base64');
    this.#server = cluster.server;
    this.#agent = new Agent({
      keepAlive: true,
      ca: decoded(cluster['certificate-authority-data']),
      cert: decoded(user['client-certificate-data']),
      key: decoded(user['client-key-data']),
    });
  }

  request(method: string, path: string, call: Call = {}): Promise<Reply> {
    const url = new URL(path, this.#server);
    for (const [name, value] of Object.entries(call.query ?? {})) url.searchParams.set(name, value);
    const impersonation =
      call.as === undefined
        ? {}
        : {
            'impersonate-user': call.as.user,
            'impersonate-group': [...(call.as.groups ?? []), 'system:authenticated'],
          };
    const headers = {
      accept: 'application/json',
      'content-type': call.contentType ?? 'application/json',
      ...impersonation,
    };
    return new Promise((resolve, reject) => {
      const request = httpsRequest(url, { method, agent: this.#agent, headers }, (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk) => {
          text += chunk;
        });
        response.on('error', reject);
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      });
      request.setTimeout(15_000, () => request.destroy(new Error(`${method} ${path}: no answer within 15 s`)));
      request.on('error', reject);
      request.end(call.body === undefined ? undefined : JSON.stringify(call.body));
    });
  }

  /** Creates a manifest; unknown fields are errors, as with kubectl. */
  create(manifest: Manifest, call: Call = {}): Promise<Reply> {
    const query = { fieldValidation: 'Strict', ...call.query };
    return this.request('POST', collectionPath(manifest), { ...call, body: manifest, query });
  }

  /** Server-side apply; unknown fields are errors. */
  apply(manifest: Manifest, call: Call = {}): Promise<Reply> {
    const query = { fieldValidation: 'Strict', fieldManager: 'chart-test', force: 'true', ...call.query };
    return this.request('PATCH', objectPath(manifest), {
      ...call,
      body: manifest,
      contentType: 'application/apply-patch+yaml',
      query,
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** Path of the collection that a manifest belongs to. */
export function collectionPath(manifest: Manifest): string {
  const base = manifest.apiVersion.includes('/') ? `/apis/${manifest.apiVersion}` : `/api/${manifest.apiVersion}`;
  const namespace = CLUSTER_SCOPED.has(manifest.kind) ? '' : `/namespaces/${manifest.metadata.namespace}`;
  return `${base}${namespace}/${plural(manifest.kind)}`;
}

/** Path of the object itself. */
export function objectPath(manifest: Manifest): string {
  return `${collectionPath(manifest)}/${manifest.metadata.name}`;
}

function plural(kind: string): string {
  const lower = kind.toLowerCase();
  return lower.endsWith('y') ? `${lower.slice(0, -1)}ies` : lower.endsWith('s') ? `${lower}es` : `${lower}s`;
}
