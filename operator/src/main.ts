import process from 'node:process';
import type { Logger } from 'pino';
import { type OperatorConfig, readConfig } from './config.ts';
import { consortiumController } from './consortium/controller.ts';
import type { ControllerDeps } from './deps.ts';
import { DoorClient } from './door/client.ts';
import { operatorCredentials } from './door/credentials.ts';
import { hsmSignerController } from './hsm-signer/controller.ts';
import { Informers } from './informers.ts';
import { Applier } from './kube/apply.ts';
import { connect, type KubeClient } from './kube/client.ts';
import { EventRecorder } from './kube/events.ts';
import { serveHealth } from './kube/health.ts';
import { LeaderElector } from './kube/lease.ts';
import { StatusWriter } from './kube/status.ts';
import { createLogger } from './log.ts';
import { FIELD_MANAGER, STATUS_FIELD_MANAGER } from './names.ts';
import { quorumNodeController } from './quorum-node/controller.ts';
import { tesseraNodeController } from './tessera-node/controller.ts';

const LEASE_NAME = 'quorum-operator';

/** Reconciles under way get this long to end after SIGTERM; the pod's grace period is 30 s. */
const STOP_MS = 20_000;

function controllerDeps(client: KubeClient, config: OperatorConfig, log: Logger): ControllerDeps {
  const now = () => new Date();
  const credentials = operatorCredentials(client, config.namespace, now);
  return {
    client,
    config,
    log,
    now,
    applier: new Applier(client, { fieldManager: FIELD_MANAGER }),
    status: new StatusWriter(client, { fieldManager: STATUS_FIELD_MANAGER }),
    events: new EventRecorder(client, { controller: 'quorum-operator.io/operator', instance: config.podName, log }),
    informers: new Informers(client, { log }),
    doors: new DoorClient({ credentials }),
  };
}

/** Aborts on the first SIGTERM or SIGINT. A second one ends the process at once. */
function stopSignal(log: Logger): AbortSignal {
  const stop = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.on(name, () => {
      if (stop.signal.aborted) process.exit(1);
      log.info({ signal: name }, 'Stopping');
      stop.abort();
      setTimeout(() => {
        log.error('Reconciles did not end in time');
        process.exit(1);
      }, STOP_MS).unref();
    });
  }
  return stop.signal;
}

/**
 * Caches are filled before the lease is held, so that a standby takes over at once; controllers run under the lease only.
 */
async function main(): Promise<void> {
  const config = readConfig(process.env);
  const log = createLogger(config.logLevel);
  const signal = stopSignal(log);
  const client = connect();
  client.metrics.collectProcessMetrics();
  const deps = controllerDeps(client, config, log);
  const { informers } = deps;
  const elector = new LeaderElector(client, {
    namespace: config.namespace,
    name: LEASE_NAME,
    log,
    onLost: () => process.exit(1),
  });
  const controllers = [
    consortiumController(deps),
    hsmSignerController(deps),
    tesseraNodeController(deps),
    quorumNodeController(deps),
  ];
  const health = await serveHealth({
    healthPort: config.healthPort,
    metricsPort: config.metricsPort,
    registry: client.metrics.registry,
    alive: [{ name: 'lease', check: () => (elector.isHealthy ? undefined : 'the lease ran out while leading') }],
    ready: [
      {
        name: 'caches',
        check: () => (informers.hasSynced ? undefined : `waiting for ${informers.waitingFor.join(', ')}`),
      },
    ],
  });
  informers.start(signal);
  log.info({ controllers: controllers.map(({ name }) => name), node: process.version }, 'The operator has started');
  const leads = config.leaderElection ? await elector.acquire(signal) : true;
  if (leads) await Promise.all(controllers.map((controller) => controller.run(signal)));
  await deps.events.flush();
  if (config.leaderElection) await elector.release();
  await health.close();
  log.info('Stopped');
}

try {
  await main();
  process.exit(0);
} catch (error) {
  createLogger('info').fatal({ err: error }, error instanceof Error ? error.message : 'The operator ended');
  process.exit(1);
}
