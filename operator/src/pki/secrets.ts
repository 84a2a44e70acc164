import type { KubeObject } from '../kube/types.ts';

/** A value of a Secret as text; undefined when the Secret or the key is absent. */
export function secretText(secret: KubeObject | null | undefined, key: string): string | undefined {
  const value: unknown = secret?.data?.[key];
  return typeof value === 'string' ? Buffer.from(value, 'base64').toString('utf8') : undefined;
}

/** `data` of a Secret from texts. */
export function secretData(texts: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(texts).map(([key, text]) => [key, Buffer.from(text, 'utf8').toString('base64')]),
  );
}

/** Both halves of a kubernetes.io/tls Secret; undefined when one is missing. */
export function tlsPair(secret: KubeObject | null | undefined): { certificatePem: string; keyPem: string } | undefined {
  const certificatePem = secretText(secret, 'tls.crt');
  const keyPem = secretText(secret, 'tls.key');
  return certificatePem && keyPem ? { certificatePem, keyPem } : undefined;
}
