/** Labels that tell one transaction manager from another wherever the metrics end up. */
export interface MetricLabels {
  readonly consortium: string;
  readonly organization: string;
  readonly tessera: string;
}

const LINE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{[^}]*\})?\s+(-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|NaN|[+-]Inf)\s*$/;

/**
 * Makes Tessera's bare lines (`tessera_P2P_GET_upCheck_AverageTime_ms 1.2`) into Prometheus' text format: names in
 * snake case, TYPE and HELP once a family, our labels. Lines that are not metrics are left out and counted.
 */
export function tesseraMetrics(text: string, labels: MetricLabels): string {
  const suffix = labelText(labels);
  const families = new Map<string, { type: 'counter' | 'gauge'; samples: string[] }>();
  let dropped = 0;
  for (const line of text.split('\n')) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const found = LINE.exec(line.trim());
    if (found === null) {
      dropped++;
      continue;
    }
    const counter = /(?:RequestCount|_Count)$/.test(found[1]!);
    const name = snakeCase(found[1]!) + (counter ? '_total' : '');
    const family = families.get(name) ?? { type: counter ? 'counter' : 'gauge', samples: [] };
    family.samples.push(`${name}${suffix} ${found[2]}`);
    families.set(name, family);
  }
  const lines: string[] = [];
  for (const [name, { type, samples }] of [...families].sort(([a], [b]) => (a < b ? -1 : 1))) {
    // One family has one sample a set of labels; were two Tessera names to fall together, the last one stands.
    lines.push(
      `# HELP ${name} As reported by Tessera's third-party server.`,
      `# TYPE ${name} ${type}`,
      samples.at(-1)!,
    );
  }
  lines.push(...gauge('tessera_metrics_lines_dropped', 'Lines of Tessera that are not metrics.', suffix, dropped));
  return `${lines.join('\n')}\n`;
}

/** `quorum_tessera_up` and nothing else, for when Tessera does not answer. */
export function upMetric(up: boolean, labels: MetricLabels): string {
  const lines = gauge('quorum_tessera_up', 'Whether Tessera answered on loopback.', labelText(labels), up ? 1 : 0);
  return `${lines.join('\n')}\n`;
}

function gauge(name: string, help: string, suffix: string, value: number): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} gauge`, `${name}${suffix} ${value}`];
}

function snakeCase(name: string): string {
  return name.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toLowerCase();
}

function labelText(labels: MetricLabels): string {
  const escaped = (value: string) => value.replace(/[\\"\n]/g, (found) => (found === '\n' ? '\\n' : `\\${found}`));
  return `{${Object.entries(labels)
    .map(([name, value]) => `${name}="${escaped(value)}"`)
    .join(',')}}`;
}
