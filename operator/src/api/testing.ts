import type { ApiClient } from '../../../e2e/src/chart/api-client.ts';
import { customResourceDefinition, kindDefinitions } from './crd.ts';

/** Installs the four CRDs on a test's API server and waits until they are served. */
export async function installCrds(api: ApiClient): Promise<void> {
  for (const definition of kindDefinitions) {
    const reply = await api.apply(customResourceDefinition(definition));
    if (reply.status >= 300) throw new Error(`CRD of ${definition.resource.kind} is refused: ${reply.text}`);
  }
  const deadline = Date.now() + 30_000;
  for (const { resource } of kindDefinitions) {
    const path = `/apis/${resource.group}/${resource.version}/${resource.plural}`;
    while ((await api.request('GET', path, { query: { limit: '1' } })).status !== 200) {
      if (Date.now() > deadline) throw new Error(`${resource.plural} are not served after 30 s`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
