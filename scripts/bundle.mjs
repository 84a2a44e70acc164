#!/usr/bin/env node
/**
 * Bundles each program into `<out>/<program>/main.mjs`, with what cannot be bundled (native modules, WebAssembly) beside
 * it under `node_modules/`, so that an image needs Node and that folder only.
 *
 *   node scripts/bundle.mjs [--out dist] [--if-present] [program…]
 *
 * A program whose entry is missing is an error, unless `--if-present` is given. The last line on stdout is JSON:
 * `{"bundled": string[], "missing": string[], "native": string[]}`; `native` lists the machine-code files that were
 * copied, so that a caller can tell whether they fit the image.
 */
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const platform = `linux-${process.arch}`;

/** Program (also the target in the Dockerfile) → its entry, and files of packages that it runs as they are. */
const programs = {
  // In a cluster the API server is reached without this library, which is loaded for kubeconfigs only and is large.
  operator: { entry: 'operator/src/main.ts', without: ['@kubernetes/client-node'] },
  'signer-sidecar': { entry: 'signer-sidecar/src/main.ts' },
  cli: { entry: 'cli/src/main.ts' },
  'fixture-quorum': { entry: 'e2e/fixtures/quorum/main.ts', binaries: [anvil] },
  'fixture-tessera': { entry: 'e2e/fixtures/tessera/main.ts' },
  'fixture-client': { entry: 'e2e/fixtures/client/main.ts' },
};

/**
 * Packages that stay outside the bundle: `keep` says which of their files are needed at run time, `with` which packages
 * they load themselves.
 */
const external = {
  pkcs11js: { keep: (file) => /^(package\.json|LICENSE|index\.js|build\/Release\/pkcs11\.node)$/.test(file) },
  secp256k1: {
    keep: (file) =>
      /^(package\.json|LICENSE|index\.js|bindings\.js|elliptic\.js|lib\/.*)$/.test(file) ||
      new RegExp(`^prebuilds/${platform}/.*glibc.*\\.node$`).test(file) ||
      /^build\/Release\/[^/]*\.node$/.test(file),
    with: ['node-gyp-build'],
  },
  'node-gyp-build': { keep: (file) => /\.(js|json)$|^LICENSE$/.test(file) },
  '@electric-sql/pglite': {
    keep: (file) =>
      /^(package\.json|LICENSE)$/.test(file) ||
      /^dist\/(index\.js|chunk-[^/]*\.js|initdb\.js|fs\/[^/]*\.js)$/.test(file) ||
      /^dist\/[^/]*\.(wasm|data)$/.test(file),
  },
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { out: { type: 'string', default: 'dist' }, 'if-present': { type: 'boolean', default: false } },
});
const out = path.resolve(root, values.out);
const result = { bundled: [], missing: [], native: [] };

for (const name of positionals.length > 0 ? positionals : Object.keys(programs)) {
  const program = programs[name];
  if (!program) fail(`no program is called ${name}; there are ${Object.keys(programs).join(', ')}`);
  if (!existsSync(path.join(root, program.entry))) {
    if (!values['if-present']) fail(`${name}: ${program.entry} does not exist`);
    result.missing.push(name);
    continue;
  }
  try {
    await bundle(name, program);
  } catch (error) {
    const [first] = error.errors ?? [];
    const where = first?.location ? `${first.location.file}:${first.location.line}: ` : '';
    fail(`${name}: ${where}${first?.text ?? error.message}`);
  }
  result.bundled.push(name);
}
console.log(JSON.stringify(result));

async function bundle(name, { entry, binaries = [], without = [] }) {
  const folder = path.join(out, name);
  rmSync(folder, { recursive: true, force: true });
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile: path.join(folder, 'main.mjs'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    minifySyntax: true,
    legalComments: 'none',
    metafile: true,
    logLevel: 'silent',
    logOverride: { 'empty-import-meta': 'silent' },
    // A property of globalThis, because a constant called `require` would clash with one that bundled code declares.
    banner: {
      js: "import { createRequire as bundleRequire } from 'node:module'; globalThis.require ??= bundleRequire(import.meta.url);",
    },
    external: [...Object.keys(external), ...without, 'pg-native', 'bufferutil', 'utf-8-validate', 'pino-pretty'],
  });
  const imported = Object.values(metafile.outputs).flatMap(({ imports }) => imports.filter((i) => i.external));
  for (const name of Object.keys(external)) {
    if (imported.some(({ path: specifier }) => specifier === name || specifier.startsWith(`${name}/`))) {
      copyPackage(name, path.join(folder, 'node_modules'));
    }
  }
  for (const binary of binaries) copyBinary(binary(), folder);
}

function copyPackage(name, modules) {
  const source = path.join(root, 'node_modules', name);
  if (!existsSync(source)) fail(`${name} is not installed; run npm ci`);
  for (const entry of readdirSync(source, { recursive: true, withFileTypes: true })) {
    const file = path.relative(source, path.join(entry.parentPath, entry.name));
    if (!entry.isFile() || !external[name].keep(file)) continue;
    const target = path.join(modules, name, file);
    mkdirSync(path.dirname(target), { recursive: true });
    cpSync(path.join(source, file), target);
    if (file.endsWith('.node')) result.native.push(path.relative(out, target));
  }
  for (const dependency of external[name].with ?? []) copyPackage(dependency, modules);
}

function copyBinary(source, folder) {
  const target = path.join(folder, 'bin', path.basename(source));
  mkdirSync(path.dirname(target), { recursive: true });
  cpSync(source, target);
  chmodSync(target, 0o755);
  result.native.push(path.relative(out, target));
}

/** The machine code of anvil, in a package of its own for each platform. */
function anvil() {
  const name = `@foundry-rs/anvil-linux-${process.arch === 'x64' ? 'amd64' : process.arch}`;
  try {
    const packageFile = createRequire(path.join(root, 'e2e/package.json')).resolve(`${name}/package.json`);
    return path.join(path.dirname(packageFile), 'bin/anvil');
  } catch {
    return fail(`${name} is not installed; run npm ci on Linux, or build the image from source`);
  }
}

function fail(message) {
  console.error(`bundle: ${message}`);
  process.exit(1);
}
