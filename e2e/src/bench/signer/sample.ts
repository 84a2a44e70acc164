/** What one round of one way to sign cost. */
export interface Sample {
  readonly signatures: number;
  /** Of all processes that belong to it. */
  readonly cpuSeconds: number;
  readonly wallSeconds: number;
}

export const cpuMicroseconds = ({ cpuSeconds, signatures }: Sample): number => (cpuSeconds / signatures) * 1e6;
export const rate = ({ wallSeconds, signatures }: Sample): number => signatures / wallSeconds;

/** Two samples of one way as one. */
export function together(first: Sample | undefined, second: Sample): Sample {
  if (first === undefined) return second;
  return {
    signatures: first.signatures + second.signatures,
    cpuSeconds: first.cpuSeconds + second.cpuSeconds,
    wallSeconds: first.wallSeconds + second.wallSeconds,
  };
}

/** Measures work that makes `signatures` signatures. @param cpu reads the CPU seconds used so far */
export async function sample(signatures: number, cpu: () => number, work: () => Promise<void>): Promise<Sample> {
  const [cpuBefore, before] = [cpu(), performance.now()];
  await work();
  return { signatures, cpuSeconds: cpu() - cpuBefore, wallSeconds: (performance.now() - before) / 1000 };
}
