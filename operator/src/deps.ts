import type { Logger } from 'pino';
import type { OperatorConfig } from './config.ts';
import type { DoorClient } from './door/client.ts';
import type { Informers } from './informers.ts';
import type { Applier } from './kube/apply.ts';
import type { KubeClient } from './kube/client.ts';
import type { EventRecorder } from './kube/events.ts';
import type { StatusWriter } from './kube/status.ts';

/** What every controller is given; nothing is reached through a module's global state. */
export interface ControllerDeps {
  readonly client: KubeClient;
  readonly applier: Applier;
  readonly status: StatusWriter;
  readonly events: EventRecorder;
  readonly log: Logger;
  readonly informers: Informers;
  readonly config: OperatorConfig;
  readonly doors: DoorClient;
  now(): Date;
}
