/** What the demo and the test run print: short lines with the seconds since the start, so that a reader sees progress. */
export interface Output {
  step(title: string): void;
  line(text: string): void;
  block(text: string): void;
  /** Seconds since the output was made. */
  elapsedSeconds(): number;
}

export function consoleOutput(write: (text: string) => void = (text) => void process.stdout.write(text)): Output {
  const begun = performance.now();
  const elapsedSeconds = () => (performance.now() - begun) / 1000;
  const stamp = () => `[${elapsedSeconds().toFixed(1).padStart(6)}s]`;
  return {
    elapsedSeconds,
    step: (title) => write(`\n${stamp()} ── ${title}\n`),
    line: (text) => write(`${stamp()}    ${text}\n`),
    block: (text) => write(`${text.trimEnd().replaceAll(/^/gm, '    ')}\n`),
  };
}
