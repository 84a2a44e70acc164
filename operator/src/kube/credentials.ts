import { readFile, stat } from 'node:fs/promises';
import { isIPv6 } from 'node:net';

/** How to reach and convince one API server at this moment. */
export interface ApiServerAccess {
  /** `https://host:port`, perhaps with a path. */
  server: string;
  headers: Record<string, string>;
  tls: {
    ca?: string | Buffer;
    cert?: string | Buffer;
    key?: string | Buffer;
    passphrase?: string;
    servername?: string;
    rejectUnauthorized?: boolean;
  };
  proxyUrl?: string;
}

/** Tells the current access; asked before each request, so it answers from memory nearly always. */
export interface AccessSource {
  /** @param fresh do not answer from memory: the last answer was refused */
  current(fresh?: boolean): Promise<ApiServerAccess>;
}

/** Files are looked at again after this time, so a rotated token or CA is used within it. */
const RECHECK_MS = 10_000;

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Access by the pod's own ServiceAccount. */
export function inClusterAccess(
  env: Record<string, string | undefined> = process.env,
  directory = SERVICE_ACCOUNT,
): AccessSource {
  const host = env.KUBERNETES_SERVICE_HOST;
  const port = env.KUBERNETES_SERVICE_PORT;
  if (!host || !port) {
    throw new Error(
      'Not in a pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set; give a kubeconfig.',
    );
  }
  const server = `https://${isIPv6(host) ? `[${host}]` : host}:${port}`;
  const token = watchedFile(`${directory}/token`);
  const ca = watchedFile(`${directory}/ca.crt`);
  return {
    async current(fresh = false) {
      return {
        server,
        headers: { authorization: `Bearer ${(await token(fresh)).trim()}` },
        tls: { ca: await ca(fresh) },
      };
    },
  };
}

/**
 * Access by a kubeconfig, with everything that @kubernetes/client-node understands: certificates, tokens, exec plugins,
 * OIDC. That library is loaded only here, because it costs 80 MB of memory that the operator in a pod does not need.
 * @param config path of a kubeconfig, or its text; undefined takes KUBECONFIG or ~/.kube/config
 */
export function kubeconfigAccess(config?: string, context?: string): AccessSource {
  let memory: { access: ApiServerAccess; at: number } | undefined;
  return {
    async current(fresh = false) {
      if (memory !== undefined && !fresh && Date.now() - memory.at < RECHECK_MS) {
        return memory.access;
      }
      const access = await readKubeconfig(config, context);
      memory = { access, at: Date.now() };
      return access;
    },
  };
}

async function readKubeconfig(config: string | undefined, context: string | undefined): Promise<ApiServerAccess> {
  const { KubeConfig } = await import('@kubernetes/client-node');
  const kubeconfig = new KubeConfig();
  if (config === undefined) {
    kubeconfig.loadFromDefault();
  } else if (config.includes('\n')) {
    kubeconfig.loadFromString(config);
  } else {
    kubeconfig.loadFromFile(config);
  }
  if (context !== undefined) {
    kubeconfig.setCurrentContext(context);
  }
  const cluster = kubeconfig.getCurrentCluster();
  if (cluster === null) {
    const known = kubeconfig.getContexts().map(({ name }) => name);
    const wanted = context ?? kubeconfig.getCurrentContext();
    throw new Error(`The kubeconfig has no usable context '${wanted}'; it has: ${known.join(', ') || 'none'}.`);
  }
  const options: Record<string, unknown> & { headers?: Record<string, unknown>; auth?: string } = {};
  await kubeconfig.applyToHTTPSOptions(options as Parameters<typeof kubeconfig.applyToHTTPSOptions>[0]);
  const headers = Object.fromEntries(
    Object.entries(options.headers ?? {}).map(([name, value]) => [name.toLowerCase(), String(value)]),
  );
  if (options.auth !== undefined) {
    headers.authorization = `Basic ${Buffer.from(options.auth).toString('base64')}`;
  }
  const { ca, cert, key, passphrase, servername, rejectUnauthorized } = options as ApiServerAccess['tls'];
  return {
    server: cluster.server,
    headers,
    tls: { ca, cert, key, passphrase, servername, rejectUnauthorized },
    ...(cluster.proxyUrl === undefined ? {} : { proxyUrl: cluster.proxyUrl }),
  };
}

/** A file's text, read again when its modification time changes. */
function watchedFile(path: string): (fresh: boolean) => Promise<string> {
  let text: string | undefined;
  let modified = 0;
  let checked = 0;
  return async (fresh) => {
    const now = Date.now();
    if (text !== undefined && !fresh && now - checked < RECHECK_MS) {
      return text;
    }
    try {
      const { mtimeMs } = await stat(path);
      if (text === undefined || mtimeMs !== modified) {
        text = await readFile(path, 'utf8');
        modified = mtimeMs;
      }
      checked = now;
    } catch (error) {
      // The kubelet swaps these files by renaming a directory; the text in memory is good for longer than that takes.
      if (text === undefined) {
        throw error;
      }
    }
    return text;
  };
}
