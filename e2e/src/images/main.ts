/**
 * Builds images from the command line: `node e2e/src/images/main.ts [target…]`. GOQUORUM_BIN names a GoQuorum binary for
 * `fixture-goquorum`.
 */
import { buildImages, type ImageTarget } from './build.ts';

const targets = process.argv.slice(2) as ImageTarget[];
try {
  const images = await buildImages({
    ...(targets.length > 0 ? { targets } : {}),
    ...(process.env.GOQUORUM_BIN ? { goquorumBinary: process.env.GOQUORUM_BIN } : {}),
    log: (line) => console.log(line),
  });
  for (const { image, file } of images) console.log(`${image} ${file}`);
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
