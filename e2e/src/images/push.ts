import { type BuiltImage, REPOSITORY } from './build.ts';
import { findEngine, run } from './engine.ts';

/**
 * Pushes images to a registry that a cluster pulls from, under `<registry>/<target>:<hash of its content>`. Log in with the
 * engine's own `login` before.
 * @returns the same images by their names in the registry
 */
export async function pushImages(
  built: readonly BuiltImage[],
  registry: string,
  log: (line: string) => void,
): Promise<BuiltImage[]> {
  const { name: engine, exists } = await findEngine();
  const pushed: BuiltImage[] = [];
  for (const { name, image, file } of built) {
    const target = image.replace(REPOSITORY, registry.replace(/\/+$/, ''));
    if (!(await exists(image))) await run(engine, ['load', '--input', file]);
    await run(engine, ['tag', image, target]);
    await run(engine, ['push', '--quiet', target]);
    log(`images: pushed ${target}`);
    pushed.push({ name, image: target, file });
  }
  return pushed;
}
