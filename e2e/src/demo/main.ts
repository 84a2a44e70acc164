/**
 * The main job, end to end: a cluster, the operator, a consortium from one manifest, transactions of three users signed
 * in one HSM account, and what is refused. `npm run demo`, and `npm run demo -- --down` to remove all.
 */
import { parseArgs } from 'node:util';
import { type Cluster, findCluster, openCluster } from '../cluster/provider.ts';
import { installOperator, loadNetworkImages, OPERATOR_NAMESPACE } from './install.ts';
import { applyExample, CONSORTIUM, KINDS, waitReady } from './network.ts';
import { consoleOutput, type Output } from './output.ts';
import { findParts, partsNotice } from './parts.ts';
import { tryRefused } from './refusals.ts';
import { type Receipt, sendTransactions } from './transact.ts';

const usage = `npm run demo [-- options]
  --down               remove everything that the demo made
  --context NAME       use this context of the kubeconfig instead of making a cluster
  --kubeconfig FILE    use this kubeconfig
  --registry PREFIX    push the images there and let the cluster pull them; needed for a given cluster that is not kind's
  --name NAME          name of the cluster that is made (default: demo)
  --timeout SECONDS    how long the network may take to be Ready (default: 420)`;

const { values: options } = parseArgs({
  options: {
    down: { type: 'boolean', default: false },
    context: { type: 'string' },
    kubeconfig: { type: 'string' },
    registry: { type: 'string' },
    name: { type: 'string', default: 'demo' },
    timeout: { type: 'string', default: '420' },
    help: { type: 'boolean', default: false },
  },
});

async function transact(...[cluster, images, issuers, output]: TransactArguments): Promise<Receipt[]> {
  const issuer = issuers.get('alpha');
  if (issuer === undefined) throw new Error('the example has no organization alpha');
  const receipts = await sendTransactions(cluster, images, issuer, [
    { user: 'alice', node: 'alpha-validator', count: 1 },
    { user: 'anton', node: 'alpha-member', count: 1 },
    { user: 'agnes', node: 'alpha-validator', count: 1 },
  ]);
  for (const { user, node, hash, block, nonce, from } of receipts) {
    output.line(`${user} through ${node}: ${hash} block ${block} nonce ${nonce} from ${from}`);
  }
  const nonces = receipts.map(({ nonce }) => nonce).sort((a, b) => a - b);
  const senders = new Set(receipts.map(({ from }) => from));
  const contiguous = nonces.every((nonce, index) => index === 0 || nonce === (nonces[index - 1] as number) + 1);
  if (receipts.length !== 3 || senders.size !== 1 || !contiguous) {
    throw new Error(`expected three receipts from one account with contiguous nonces, got ${JSON.stringify(receipts)}`);
  }
  return receipts;
}

type TransactArguments = [
  Cluster,
  Awaited<ReturnType<typeof loadNetworkImages>>,
  Awaited<ReturnType<typeof applyExample>>,
  Output,
];

function lookAround(cluster: Cluster): string {
  const context = cluster.context === undefined ? '' : ` --context ${cluster.context}`;
  const kubectl = `kubectl --kubeconfig ${cluster.kubeconfig}${context}`;
  return [
    `${kubectl} get quorum -A`,
    `${kubectl} describe qn -n ${CONSORTIUM}-alpha alpha-member`,
    `${kubectl} get pods,pvc,networkpolicies -n ${CONSORTIUM}-alpha`,
    `${kubectl} logs -n ${OPERATOR_NAMESPACE} deploy/quorum-operator`,
    'npm run demo -- --down    removes all',
  ].join('\n');
}

async function down(): Promise<void> {
  const output = consoleOutput();
  if (options.context !== undefined || options.kubeconfig !== undefined) {
    throw new Error(
      '--down removes clusters that the demo made; a given cluster is not touched. Use kubectl delete and helm uninstall there.',
    );
  }
  const cluster = await findCluster(options.name);
  if (cluster === undefined) return output.line(`no cluster named ${options.name} is there`);
  await cluster.down();
  output.line(`cluster ${options.name} is removed`);
}

async function up(): Promise<void> {
  const output = consoleOutput();
  const parts = await findParts(output.line);
  for (const notice of partsNotice(parts)) output.line(notice);

  output.step('1. A cluster');
  const { name, context, kubeconfig } = options;
  const cluster = await openCluster({ name, context, kubeconfig, log: output.line });

  output.step('2. Images and the operator');
  const images = await loadNetworkImages(cluster, parts, output, options.registry);
  await installOperator(cluster, images, parts);
  output.line('the operator is installed by Helm and ready');

  output.step('3. examples/consortium.yaml: four organizations, six nodes, two HSM signers');
  const begun = output.elapsedSeconds();
  const issuers = await applyExample(cluster);

  output.step('4. Waiting until all is Ready');
  await waitReady(cluster, output, Number(options.timeout));
  output.block((await cluster.kubectl(['get', KINDS, '--all-namespaces'])).stdout);

  output.step('5. Three users of alpha, one HSM account, two nodes');
  await transact(cluster, images, issuers, output);
  output.line(`steps 3 to 5 took ${(output.elapsedSeconds() - begun).toFixed(0)} s`);

  output.step('6. What is refused');
  const refusals = await tryRefused(cluster, images, 'alpha', 'alpha-member');
  for (const { attempt, refused, answer } of refusals) {
    output.line(`${refused ? 'refused' : 'NOT REFUSED'}: ${attempt}\n${' '.repeat(12)}${answer.slice(0, 220)}`);
  }
  if (refusals.some(({ refused }) => !refused)) throw new Error('something was let through that must be refused');

  output.step('7. The network is left running. Look around:');
  output.block(lookAround(cluster));
}

if (options.help) console.log(usage);
else await (options.down ? down() : up());
