import { Gauge, type Registry } from 'prom-client';
import type { KubeObject } from '../kube/types.ts';
import { inspect } from './inspect.ts';
import { secretText } from './secrets.ts';
import type { CertificateStatus } from './status.ts';

interface CertificateSources {
  /** Secrets of all organizations' namespaces. */
  secrets(): readonly KubeObject[];
  /** Certificates whose Secrets are in no cache, as statuses tell of them: `name` is `namespace/name`. */
  others(): readonly CertificateStatus[];
}

/** Tells monitoring when each certificate expires that the operator sees to: gauge `quorum_certificate_not_after_seconds`. */
export function certificateMetrics(registry: Registry, sources: CertificateSources): void {
  // Parsed once an object; a changed Secret is another object.
  const parsed = new WeakMap<KubeObject, number | undefined>();
  const expiry = (secret: KubeObject): number | undefined => {
    if (!parsed.has(secret)) parsed.set(secret, expiryOf(secret));
    return parsed.get(secret);
  };
  const gauge: Gauge<'namespace' | 'name'> = new Gauge({
    name: 'quorum_certificate_not_after_seconds',
    help: 'When the certificate in a Secret expires, seconds since 1970',
    labelNames: ['namespace', 'name'],
    registers: [registry],
    collect: () => {
      gauge.reset();
      for (const { name: path, notAfter } of sources.others()) {
        const [namespace = '', name = ''] = path.split('/');
        gauge.set({ namespace, name }, Date.parse(notAfter) / 1000);
      }
      for (const secret of sources.secrets()) {
        const seconds = expiry(secret);
        const { namespace = '', name } = secret.metadata;
        if (seconds !== undefined) gauge.set({ namespace, name }, seconds);
      }
    },
  });
}

function expiryOf(secret: KubeObject): number | undefined {
  const pem = secret.type === 'kubernetes.io/tls' ? secretText(secret, 'tls.crt') : undefined;
  try {
    return pem === undefined ? undefined : Math.floor(inspect(pem).notAfter.getTime() / 1000);
  } catch {
    // Damaged: the controller that needs it says so.
    return undefined;
  }
}
