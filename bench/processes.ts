import { readFileSync, readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { basename, isAbsolute } from "node:path";

/** What a process and all its descendants have used, as Linux counts it; undefined on other systems. */
export interface Usage {
  /** Sum of each process's peak of resident memory: pages that they share are counted for each. */
  peakBytes: number;
  /** Resident memory now, a page that several of them share counted once (proportional set size). */
  residentBytes: number;
  /** User and system time of all threads. */
  cpuSeconds: number;
}

/** Clock ticks a second in /proc/<pid>/stat: fixed in Linux' interface to programs. */
const TICKS = 100;

export function usageOf(pid: number): Usage | undefined {
  if (process.platform !== "linux") return undefined;
  const parents = new Map<number, number>();
  const ticks = new Map<number, number>();
  for (const name of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    const stat = read(`/proc/${name}/stat`);
    // The name, in brackets, may have spaces; the third field follows it.
    const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (!fields) continue;
    parents.set(Number(name), Number(fields[1]));
    ticks.set(Number(name), Number(fields[11]) + Number(fields[12]));
  }
  const family = [pid];
  for (const member of family) for (const [child, parent] of parents) if (parent === member) family.push(child);
  const peak = (member: number) => 1024 * Number(/VmHWM:\s+(\d+)/.exec(read(`/proc/${member}/status`) ?? "")?.[1] ?? 0);
  const resident = (member: number) => 1024 * Number(/^Pss:\s+(\d+)/m.exec(read(`/proc/${member}/smaps_rollup`) ?? "")?.[1] ?? 0);
  return { peakBytes: sum(family.map(peak)), residentBytes: sum(family.map(resident)), cpuSeconds: sum(family.map((member) => ticks.get(member) ?? 0)) / TICKS };
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // It has ended meanwhile.
    return undefined;
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** The machine in words, for a report. */
export function machine(): string {
  const model = process.platform === "linux" ? /model name\s*: (.*)/.exec(read("/proc/cpuinfo") ?? "")?.[1] : undefined;
  return `${availableParallelism()} cores of ${model ?? process.arch}, Node.js ${process.versions.node}`;
}

/** The arguments of this run, for a report: " -- …", or nothing where there are none. Of a path that only this machine knows its name is told. */
export function givenArguments(): string {
  const given = process.argv.slice(2).map((argument) => (isAbsolute(argument) ? basename(argument) : argument));
  return given.length > 0 ? ` -- ${given.join(" ")}` : "";
}
