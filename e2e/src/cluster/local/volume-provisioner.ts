import { chmod, mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { Rest } from '../rest.ts';
import {
  type Claim,
  isWanted,
  persistentVolume,
  reclaimable,
  type StorageClass,
  type Volume,
  volumeName,
} from './volumes.ts';

/**
 * Makes a volume for each claim of our storage classes, and removes it when its claim is gone and its reclaim policy
 * says so. Arguments: kubeconfig, folder of the volumes, name of the node.
 */
class Provisioner {
  readonly #rest: Rest;
  readonly #volumes: string;
  readonly #node: string;

  constructor(rest: Rest, volumes: string, node: string) {
    this.#rest = rest;
    this.#volumes = volumes;
    this.#node = node;
  }

  run(): void {
    void this.#follow('/api/v1/persistentvolumeclaims', (claim: Claim) => this.#provision(claim));
    void this.#follow('/api/v1/persistentvolumes', (volume: Volume) => this.#reclaim(volume));
  }

  /** A watch without a version begins with every object there is, so ending and beginning again loses nothing. */
  async #follow<T>(path: string, handle: (object: T) => Promise<void>): Promise<never> {
    for (;;) {
      let queue = Promise.resolve();
      try {
        await this.#rest.watch(`${path}?watch=1&timeoutSeconds=600`, ({ type, object }) => {
          if (type !== 'ADDED' && type !== 'MODIFIED') return;
          queue = queue.then(() => handle(object)).catch((error) => say(`${path}: ${error.message}`));
        });
      } catch (error) {
        say(`${path}: ${(error as Error).message}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }

  async #provision(claim: Claim): Promise<void> {
    if (!claim.spec.storageClassName || claim.spec.volumeName) return;
    const reply = await this.#rest.request(
      'GET',
      `/apis/storage.k8s.io/v1/storageclasses/${claim.spec.storageClassName}`,
    );
    if (reply.status !== 200) return;
    const storageClass = reply.json() as StorageClass;
    if (!isWanted(claim, storageClass)) return;
    const folder = join(this.#volumes, volumeName(claim));
    await mkdir(folder, { recursive: true });
    await chmod(folder, 0o777); // pods without an fsGroup write as any user
    const body = persistentVolume(claim, storageClass, this.#volumes, this.#node);
    const created = await this.#rest.request('POST', '/api/v1/persistentvolumes', { body });
    if (created.status === 409) return; // made before, its claim is about to be bound
    const what = `${claim.metadata.namespace}/${claim.metadata.name} ${volumeName(claim)}`;
    if (created.status >= 300) throw new Error(`create for ${what}: ${created.status} ${created.text.slice(0, 300)}`);
    say(`made ${what}`);
  }

  async #reclaim(volume: Volume): Promise<void> {
    const folder = reclaimable(volume, this.#volumes);
    if (!folder) return;
    await rm(folder, { recursive: true, force: true });
    const reply = await this.#rest.request('DELETE', `/api/v1/persistentvolumes/${volume.metadata.name}`);
    if (reply.status >= 300 && reply.status !== 404) throw new Error(`delete ${volume.metadata.name}: ${reply.status}`);
    say(`removed ${volume.metadata.name}`);
  }
}

function say(line: string): void {
  process.stderr.write(`${new Date().toISOString()} ${line}\n`);
}

const [file = '', volumes = '', node = ''] = process.argv.slice(2);
const config = parse(await readFile(file, 'utf8'));
const text = (base64: string) => Buffer.from(base64, 'base64').toString();
const rest = new Rest({
  server: config.clusters[0].cluster.server,
  ca: text(config.clusters[0].cluster['certificate-authority-data']),
  user: {
    certificate: text(config.users[0].user['client-certificate-data']),
    key: text(config.users[0].user['client-key-data']),
  },
});
new Provisioner(rest, volumes, node).run();
