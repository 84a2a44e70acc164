/** Entry of the HSM process when the sidecar runs from source; in the image it is `main.mjs hsm-worker`. */
import { runHsmWorker } from './worker.ts';

runHsmWorker();
