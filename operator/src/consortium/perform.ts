import type { Consortium } from '../api/consortium.ts';
import { generateNodeKey } from '../consensus/node-key.ts';
import { peerService } from '../consensus/peer-service.ts';
import type { ControllerDeps } from '../deps.ts';
import { CONFIGMAPS, SECRETS, SERVICES } from '../kube/resources.ts';
import { AUTHORITY_DAYS } from '../pki/rotate.ts';
import { createAuthority } from '../pki/x509.ts';
import { authoritySecret } from './build/authority-secret.ts';
import { genesisConfigMap } from './build/genesis-config-map.ts';
import { nodeKeySecret } from './build/node-key-secret.ts';
import type { Decision, Step } from './decide.ts';
import { genesisData } from './genesis-source.ts';
import { type Reason, reasons } from './reasons.ts';

type PerformDeps = Pick<ControllerDeps, 'applier' | 'events' | 'now'>;

/** Makes what is made once. Each object is created, never applied over: one that somebody made meanwhile stays, and is what counts. */
export async function perform(deps: PerformDeps, consortium: Consortium, decision: Decision): Promise<void> {
  await Promise.all(decision.steps.map((step) => performStep(deps, consortium, decision, step)));
}

async function performStep(deps: PerformDeps, consortium: Consortium, decision: Decision, step: Step): Promise<void> {
  const note = (reason: Reason, message: string) => deps.events.event(consortium, { type: 'Normal', reason, message });
  const name = consortium.metadata.name;
  switch (step.kind) {
    case 'authority': {
      const { organization, namespace } = step;
      const authority = await createAuthority({
        commonName: `${name}/${organization}`,
        now: deps.now(),
        days: AUTHORITY_DAYS,
      });
      const secret = authoritySecret({ consortium: name, organization, namespace }, authority);
      const { created } = await deps.applier.createOnly(SECRETS, secret, null);
      if (created)
        note(
          reasons.AuthorityCreated,
          `certificate authority of organization ${organization}: Secret ${namespace}/organization-ca`,
        );
      return;
    }
    case 'nodeKey': {
      const { organization, namespace, name: node } = step.node;
      const key = generateNodeKey();
      const secret = nodeKeySecret({ consortium: name, organization, namespace, node }, key);
      const { created } = await deps.applier.createOnly(SECRETS, secret, null);
      if (created)
        note(
          reasons.NodeKeyCreated,
          `key of validator ${key.address}: Secret ${namespace}/${node}-nodekey; back it up`,
        );
      return;
    }
    case 'peerService': {
      const { organization, namespace, name: node } = step.node;
      await deps.applier.apply(SERVICES, peerService({ consortium: name, organization, namespace, node }));
      return;
    }
    case 'genesis': {
      const { organization, namespace } = step;
      if (decision.genesis.kind !== 'known') return;
      const configMap = genesisConfigMap({ consortium: name, organization, namespace }, genesisData(decision.genesis));
      const { created } = await deps.applier.createOnly(CONFIGMAPS, configMap, null);
      const reason = consortium.status?.genesis ? reasons.GenesisRestored : reasons.GenesisCreated;
      if (created)
        note(reason, `genesis with SHA-256 ${decision.genesis.sha256}: ConfigMap ${namespace}/${name}-genesis`);
      return;
    }
  }
}
