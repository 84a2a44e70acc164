import { stringify } from 'yaml';
import type { Credential } from './certificates.ts';

/** The text of a kubeconfig with one context, everything inline so that the file can be moved. */
export function kubeconfig(options: { name: string; server: string; ca: string; user: Credential }): string {
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      { name: options.name, cluster: { server: options.server, 'certificate-authority-data': base64(options.ca) } },
    ],
    users: [
      {
        name: options.name,
        user: {
          'client-certificate-data': base64(options.user.certificate),
          'client-key-data': base64(options.user.key),
        },
      },
    ],
    contexts: [{ name: options.name, context: { cluster: options.name, user: options.name } }],
    'current-context': options.name,
  });
}
