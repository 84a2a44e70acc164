import { defineConfig } from 'vitest/config';
import ByNameSequencer from './e2e/src/scenario/sequencer.ts';

/** Three projects by what a test needs: nothing, a real API server, or a cluster with a kubelet. */
export default defineConfig({
  test: {
    sequence: { sequencer: ByNameSequencer },
    projects: [
      {
        test: {
          name: 'unit',
          include: ['{operator,signer-sidecar,cli,e2e}/**/*.test.ts'],
          exclude: ['**/node_modules/**', '**/*.api.test.ts', '**/*.e2e.test.ts'],
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: 'api',
          include: ['{operator,signer-sidecar,cli,e2e}/**/*.api.test.ts'],
          globalSetup: ['e2e/src/cluster/vitest-api-server.ts'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['e2e/scenarios/**/*.e2e.test.ts'],
          globalSetup: ['e2e/src/scenario/setup.ts'],
          testTimeout: 300_000,
          hookTimeout: 900_000,
          fileParallelism: false,
          sequence: { concurrent: false },
        },
      },
    ],
  },
});
