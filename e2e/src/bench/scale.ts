/** Share of the full number of nodes, from BENCH_SCALE (for example 0.1 while a bench is being changed). 1 is what the goals are for. */
export const scale: number = Math.min(1, Math.max(0.01, Number(process.env.BENCH_SCALE) || 1));

/** A number of nodes at that scale. */
export const scaled = (count: number): number => Math.max(10, Math.round(count * scale));
