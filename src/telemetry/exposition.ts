import type { OpenMetricsContentType, Registry } from "prom-client";

export const OPENMETRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8";
export const PROMETHEUS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/**
 * The registry in one of the two text formats. prom-client keeps exemplars in an OpenMetrics registry only, and such a registry
 * speaks nothing else; the older format differs in the names of counters, in the end mark and in having no exemplars.
 * @param registry of content type OpenMetrics
 */
export async function exposition(registry: Registry<OpenMetricsContentType>, openMetrics: boolean): Promise<string> {
  const text = await registry.metrics();
  return openMetrics ? text : asPrometheusText(text);
}

/** OpenMetrics 1.0 text as Prometheus text 0.0.4. */
export function asPrometheusText(text: string): string {
  const counters = new Set(Array.from(text.matchAll(/^# TYPE (\S+) counter$/gm), ([, name]) => name));
  return text
    .replace(/^# (HELP|TYPE) (\S+)/gm, (line, kind: string, name: string) => (counters.has(name) ? `# ${kind} ${name}_total` : line))
    .replace(/ # \{[^}\n]*\} \S+ \S+$/gm, "")
    .replace(/# EOF\n$/, "");
}
