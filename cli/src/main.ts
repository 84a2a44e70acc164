import { parseArgs } from 'node:util';
import type { Consortium } from '@quorum-operator/operator/api/consortium.ts';
import type { HsmSigner } from '@quorum-operator/operator/api/hsm-signer.ts';
import type { QuorumNode } from '@quorum-operator/operator/api/quorum-node.ts';
import { CONSORTIUMS, HSMSIGNERS, QUORUMNODES, TESSERANODES } from '@quorum-operator/operator/api/resources.ts';
import type { TesseraNode } from '@quorum-operator/operator/api/tessera-node.ts';
import { connect, KubeApiError, type KubeClient } from '@quorum-operator/operator/kube/client.ts';
import { renderAudit, verifyAuditFile } from './audit.ts';
import { renderStatus } from './status.ts';

const usage = `kubectl quorum COMMAND [options]

Commands
  status               the networks of this cluster at a glance, and what is wrong and why
  audit verify FILE    an export of a signer's audit log, by the file alone (- reads standard input); exit code 1 if
                       anything is wrong

Options of audit verify
  --public-key KEY     0x04 and 128 hex digits, of the key that signs checkpoints; give it again after a change of keys
  --checkpoint FILE    holds the last checkpoint known from elsewhere (a sidecar's log, an earlier export)
  --since FILE         holds the checkpoint after which the export begins

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

async function audit(
  [action, file, ...more]: string[],
  output: string,
  options: { publicKeys: string[]; checkpoint?: string | undefined; since?: string | undefined },
): Promise<number> {
  if (action !== 'verify' || file === undefined || more.length > 0) {
    throw new Error('write kubectl quorum audit verify FILE --public-key 0x04…');
  }
  const report = await verifyAuditFile({ file, ...options });
  process.stdout.write(output === 'json' ? `${JSON.stringify(report, null, 2)}\n` : renderAudit(report));
  return report.ok ? 0 : 1;
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
      'public-key': { type: 'string', multiple: true, default: [] },
      checkpoint: { type: 'string' },
      since: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const [command, ...rest] = positionals;
  if (values.help || command === undefined) {
    console.log(usage);
    return values.help ? 0 : 2;
  }
  if (!['text', 'json'].includes(values.output)) throw new Error(`--output ${values.output}: write text or json`);
  if (command === 'audit') {
    return audit(rest, values.output, {
      publicKeys: values['public-key'],
      checkpoint: values.checkpoint,
      since: values.since,
    });
  }
  if (command !== 'status') throw new Error(`unknown command ${command}; kubectl quorum --help lists what there is`);
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
