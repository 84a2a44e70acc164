import { spawn } from 'node:child_process';
import { localStatus } from './local/cluster.ts';
import { findCluster, openCluster } from './provider.ts';
import { ensurePrograms } from './tools.ts';

const USAGE = `usage: node e2e/src/cluster/cli.ts <command> <name>
  up <name>               start the cluster, or find it running
  down <name>             remove it with all that is in it
  status <name>           whether it runs, and what of it does not
  kubectl <name> <args>   kubectl against it (helm likewise)`;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function main(command: string, name: string, args: string[]): Promise<number> {
  switch (command) {
    case 'up': {
      const cluster = await openCluster({ name, log: say });
      say(`${name} (${cluster.kind}): kubectl --kubeconfig ${cluster.kubeconfig} get pods -A`);
      return 0;
    }
    case 'down': {
      const cluster = await findCluster(name, say);
      if (cluster) await cluster.down();
      else say(`${name}: there is no such cluster`);
      return 0;
    }
    case 'status':
      return status(name);
    case 'kubectl':
    case 'helm': {
      const cluster = await findCluster(name, say);
      if (!cluster) throw new Error(`${name}: there is no such cluster; start it with: up ${name}`);
      const program = (await ensurePrograms([command], say))[command];
      return interactive(program, [`--kubeconfig=${cluster.kubeconfig}`, ...args]);
    }
    default:
      say(USAGE);
      return 2;
  }
}

/** Code 0 when everything runs, 1 when something does not, 3 when there is no such cluster. */
async function status(name: string): Promise<number> {
  const local = await localStatus(name);
  if (local.kind === 'running') {
    const dead = local.dead.length > 0 ? `, but ${local.dead.join(', ')} ended; logs in ${local.paths.logs}` : '';
    say(`${name} (local): runs on 127.0.0.1:${local.state.port}${dead}`);
    return dead ? 1 : 0;
  }
  if (local.kind === 'broken') {
    say(`${name} (local): does not run, but something is left of it; use up or down`);
    return 1;
  }
  const cluster = await findCluster(name);
  say(cluster ? `${name} (${cluster.kind}): exists` : `${name}: there is no such cluster`);
  return cluster ? 0 : 3;
}

function interactive(program: string, args: string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: 'inherit' });
    child.on('error', reject);
    child.on('exit', (code) => resolve(code ?? 1));
  });
}

const [command = '', name = '', ...args] = process.argv.slice(2);
try {
  process.exitCode = name ? await main(command, name, args) : await main('', '', []);
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
