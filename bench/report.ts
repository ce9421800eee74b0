import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { projectPath } from "../src/project.js";
import { chart, type Panel } from "./chart.js";

/** A Markdown table. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), `|${head.map(() => "---").join("|")}|`, ...rows.map(line)].join("\n");
}

/** A figure with as many digits as tell something. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return "–";
  return Math.abs(value) >= 100 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(2)));
}

/** Writes a report as Markdown, JSON and SVG into bench/results. Returns the Markdown's path below the project. */
export function writeReport(name: string, markdown: string, json: unknown, panels: readonly Panel[]): string {
  const folder = projectPath("bench/results");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${name}.md`), `${markdown}\n\n![${name}](${name}.svg)\n`);
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(json, undefined, 1)}\n`);
  writeFileSync(join(folder, `${name}.svg`), chart(panels));
  return `bench/results/${name}.md`;
}
