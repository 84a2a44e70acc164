/** The sidecar's one program. Each subcommand loads only what it needs. */
import { parseArgs } from 'node:util';

const usage = `usage: signer-sidecar <subcommand>
  door --config FILE        the door of a node (HTTPS, ops port, probes), and its signer
  companion --config FILE   the neighbour of a transaction manager
  token-init --config FILE  makes an HSM token once
  hsm-worker                internal: the process that talks to the HSM`;

async function run(argv: string[]): Promise<void> {
  const [subcommand, ...rest] = argv;
  if (subcommand === 'hsm-worker') return (await import('./hsm/worker.ts')).runHsmWorker();
  const { values } = parseArgs({ args: rest, options: { config: { type: 'string' } } });
  const { config } = values;
  if (config === undefined) throw new Error(`--config FILE is missing\n${usage}`);
  switch (subcommand) {
    case 'door':
      return (await import('./gateway/run.ts')).runDoor(config);
    case 'companion':
      return (await import('./companion/run.ts')).runCompanion(config);
    case 'token-init':
      return (await import('./token/run.ts')).runTokenInit(config);
    default:
      throw new Error(`unknown subcommand ${subcommand}\n${usage}`);
  }
}

run(process.argv.slice(2)).then(
  () => {
    // the HSM worker lives on by its channel; the others are done when their promise is
    if (process.argv[2] !== 'hsm-worker') process.exit(0);
  },
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);
