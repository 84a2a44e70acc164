/** `door`: puts the parts together, starts them in an order that waits for nobody, and takes them down again. */
import type { Logger } from 'pino';
import { type ExportOptions, exportAudit } from '../audit/export.ts';
import { type DoorConfig, readDoorConfig } from '../config.ts';
import { startHsm } from '../hsm/client.ts';
import type { HsmClient } from '../hsm/types.ts';
import { createLogger } from '../ops/log.ts';
import { Metrics } from '../ops/metrics.ts';
import { nodeAnswers, nodeListens, ProbeServer } from '../ops/probes.ts';
import { type AuditSource, OpsServer } from '../ops/server.ts';
import { StatusPoller } from '../ops/status.ts';
import { openStore } from '../store/open.ts';
import type { Store } from '../store/store.ts';
import type { RepairOptions } from '../transactions/repair.ts';
import { Signer } from '../transactions/signer.ts';
import { Authenticator } from './authenticate.ts';
import { Dispatcher } from './dispatch.ts';
import { Door } from './door.ts';
import { readTlsFiles, TlsWatcher } from './tls-files.ts';
import { TokenVerifier } from './tokens.ts';
import { Upstream } from './upstream.ts';

/** kubelet gives 30 seconds; geth has been stopped by then. */
const DRAIN_MS = 14_000;

/** What tests put in place of the real parts. */
export interface DoorOverrides {
  hsm?: HsmClient;
  store?: Store;
  repair?: RepairOptions;
  tlsPollMs?: number;
}

export interface RunningDoor {
  ports: { door: number; ops: number; probes: number };
  metrics: Metrics;
  /** Ends within 20 seconds: accepts no more, finishes what is in flight, stops HSM and database. */
  stop(): Promise<void>;
}

/** @throws Error when a TLS file cannot be read or a port is taken; everything else is waited for while running */
export async function startDoor(config: DoorConfig, log: Logger, overrides: DoorOverrides = {}): Promise<RunningDoor> {
  let tls = readTlsFiles(config.tls);
  const metrics = new Metrics();
  const upstream = new Upstream(config.upstream.http);
  const answers = nodeAnswers(upstream);
  const probes = new ProbeServer({ ready: answers, geth: nodeListens(config.upstream.http) });
  const probesPort = await probes.listen(config.listen.probes);

  const signing =
    config.signer === undefined ? undefined : await startSigner(config, upstream, metrics, log, overrides);
  const authenticator = new Authenticator(new TokenVerifier(config.issuers), config.node, () => tls);
  const dispatcher = new Dispatcher({ upstream, signer: signing?.signer, metrics, log });
  const door = new Door({ config, tls, authenticator, dispatcher, metrics, log });
  const status = new StatusPoller(upstream, config.chain.configHash, () => signing?.signer.status());
  const ops = new OpsServer({
    config,
    tls: () => tls,
    status,
    registry: metrics.registry,
    chain: upstream,
    audit: signing?.audit,
    log,
  });
  const reload = (files: typeof tls) => {
    door.reload(files);
    ops.reload(files);
    tls = files;
  };
  const watcher = new TlsWatcher(config.tls, tls, reload, log, overrides.tlsPollMs);
  let nodeUp = false;
  const watchNode = setInterval(async () => {
    nodeUp = await answers();
  }, 5_000).unref();
  metrics.gauge('quorum_door_node_up', '1 when geth answered lately.', () => (nodeUp ? 1 : 0));
  const ports = { door: await door.listen(), ops: await ops.listen(), probes: probesPort };
  log.info({ ports, node: config.node, signer: config.signer?.name }, 'door open');

  const stop = async () => {
    log.info('stopping: no new requests');
    probes.drain();
    clearInterval(watchNode);
    await door.drain(DRAIN_MS);
    await signing?.stop();
    watcher.close();
    await ops.close();
    await probes.close();
    await upstream.close();
    log.info('stopped');
  };
  return { ports, metrics, stop };
}

async function startSigner(
  config: DoorConfig,
  upstream: Upstream,
  metrics: Metrics,
  log: Logger,
  overrides: DoorOverrides,
): Promise<{ signer: Signer; audit: AuditSource; stop(): Promise<void> }> {
  const signerConfig = config.signer!;
  const { softhsm, ...options } = signerConfig.hsm;
  const hsm = overrides.hsm ?? (await startHsm(softhsm === undefined ? options : { ...options, softhsm }, log));
  const store = overrides.store ?? openStore(signerConfig.database, log);
  const signer = new Signer({
    config: signerConfig,
    chainConfig: config.chain,
    node: config.node.name,
    organization: config.node.organization,
    hsm,
    store,
    chain: upstream,
    log,
    ...(overrides.repair === undefined ? {} : { repair: overrides.repair }),
    onAudit: {
      entries: (entries) => metrics.auditEntries(entries.map(({ purpose }) => purpose.kind)),
      checkpoint: (seconds) => metrics.auditCheckpoint(seconds),
      failure: (what) => metrics.auditFailure(what),
    },
    onSignature: (purpose, seconds, ok) => metrics.signature(purpose, seconds, ok),
    onReport: (account, report) => metrics.report(account.address, report),
  });
  metrics.gauge('quorum_signer_hsm_ready', '1 when the HSM can sign.', () => (hsm.ready() ? 1 : 0));
  metrics.gauge('quorum_signer_database_up', '1 when the database answers.', () => (store.ready() ? 1 : 0));
  signer.start();
  const stop = async () => {
    await signer.stop();
    await hsm.stop();
    await store.close();
  };
  const audit: AuditSource = (write, options: ExportOptions) => exportAudit(store, write, options);
  return { signer, audit, stop };
}

/** `door --config F`: runs until SIGTERM or SIGINT. */
export async function runDoor(configFile: string): Promise<void> {
  const config = readDoorConfig(configFile);
  const log = createLogger(config.logging.level, 'door');
  const door = await startDoor(config, log);
  const signal = await new Promise<string>((resolve) => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', resolve);
  });
  log.info({ signal }, 'asked to stop');
  const forced = setTimeout(() => {
    log.error('did not stop in time');
    process.exit(1);
  }, 19_000);
  await door.stop();
  clearTimeout(forced);
}
