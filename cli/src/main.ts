import { parseArgs } from 'node:util';
import type { Consortium } from '@quorum-operator/operator/api/consortium.ts';
import type { HsmSigner } from '@quorum-operator/operator/api/hsm-signer.ts';
import type { QuorumNode } from '@quorum-operator/operator/api/quorum-node.ts';
import { CONSORTIUMS, HSMSIGNERS, QUORUMNODES, TESSERANODES } from '@quorum-operator/operator/api/resources.ts';
import type { TesseraNode } from '@quorum-operator/operator/api/tessera-node.ts';
import { connect, KubeApiError, type KubeClient } from '@quorum-operator/operator/kube/client.ts';
import { renderStatus } from './status.ts';

const usage = `kubectl quorum COMMAND [options]

Commands
  status               the networks of this cluster at a glance, and what is wrong and why

Options
  --kubeconfig FILE    default: KUBECONFIG or ~/.kube/config
  --context NAME       context of the kubeconfig
  -o, --output FORMAT  text (default) or json

It works with your own rights: status needs get and list on the four kinds (group quorum-operator.io).`;

async function status(client: KubeClient, output: string): Promise<string> {
  const [consortiums, quorumNodes, tesseraNodes, hsmSigners] = await Promise.all([
    client.list<Consortium>(CONSORTIUMS, {}),
    client.list<QuorumNode>(QUORUMNODES, {}),
    client.list<TesseraNode>(TESSERANODES, {}),
    client.list<HsmSigner>(HSMSIGNERS, {}),
  ]);
  const state = {
    consortiums: consortiums.items,
    quorumNodes: quorumNodes.items,
    tesseraNodes: tesseraNodes.items,
    hsmSigners: hsmSigners.items,
  };
  return output === 'json' ? `${JSON.stringify(state, null, 2)}\n` : renderStatus(state, new Date());
}

/** Says which right is missing instead of a stack. */
function explain(error: unknown): string {
  if (error instanceof KubeApiError && error.code === 403) {
    return `You lack a right: ${error.message}. Ask for get and list on the kinds of group quorum-operator.io.`;
  }
  if (error instanceof KubeApiError && error.code === 404) {
    return 'This cluster has no resources of group quorum-operator.io: is the operator installed (helm install quorum-operator)?';
  }
  return error instanceof Error ? error.message : String(error);
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      kubeconfig: { type: 'string' },
      context: { type: 'string' },
      output: { type: 'string', short: 'o', default: 'text' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const [command] = positionals;
  if (values.help || command === undefined) {
    console.log(usage);
    return values.help ? 0 : 2;
  }
  if (command !== 'status') throw new Error(`unknown command ${command}; kubectl quorum --help lists what there is`);
  if (!['text', 'json'].includes(values.output)) throw new Error(`--output ${values.output}: write text or json`);
  process.stdout.write(
    await status(connect({ kubeconfig: values.kubeconfig, context: values.context }), values.output),
  );
  return 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`kubectl quorum: ${explain(error)}`);
  process.exitCode = 1;
}
