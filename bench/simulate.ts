/** `npm run bench:simulate`: what the scheduler carries on simulated devices, as a table and a plot in bench/results. */
import { figure, table, writeReport } from "./report.js";
import { CPU_CORE, GPU, GPU_ROWS, SHAPES, STEPS } from "./simulated-loads.js";
import { LIMIT_MS, type Load, type Outcome, type Policy, simulate } from "./simulation.js";

const base = { stepsPerCall: 1, maxRows: GPU_ROWS };
const POLICIES: Record<string, Omit<Policy, "maxQueuedRows">> = {
  continuous: { ...base, batching: "continuous" },
  static: { ...base, batching: "static" },
  "static, compacted": { ...base, batching: "static", compacted: true },
  "no batching": { ...base, batching: "off", maxRows: 1 },
};
/** Requests a second for each device. */
const RATES = [100, 300, 600, 900, 1_250, 1_800, 2_400, 2_800, 3_100];
const MEAN_STEPS = STEPS.reduce((sum, { share, steps }) => sum + share * steps, 0);

function run(count: number, policy: Omit<Policy, "maxQueuedRows">, requestsPerSecond: number): Outcome {
  const load: Load = { requestsPerSecond, seconds: count === 1 ? 20 : 6, steps: STEPS, shapes: SHAPES, clients: 50, seed: 1 };
  return simulate({ count, ...GPU }, { ...policy, maxQueuedRows: 4 * GPU_ROWS * count }, load);
}

/** The highest rate, to 2 %, at which p95 stays within the limit and nothing is refused. */
function carried(count: number, policy: Omit<Policy, "maxQueuedRows">): { rate: number; outcome: Outcome } {
  let [low, high] = [10 * count, 3_400 * count];
  let outcome = run(count, policy, low);
  while (high / low > 1.02) {
    const middle = Math.sqrt(low * high);
    const tried = run(count, policy, middle);
    if (tried.p95 <= LIMIT_MS && tried.rejected === 0) [low, outcome] = [middle, tried];
    else high = middle;
  }
  return { rate: low, outcome };
}

const sections: string[] = [];
const results: unknown[] = [];
for (const count of [1, 8]) {
  const most = Object.entries(POLICIES).map(([name, policy]) => ({ name, ...carried(count, policy) }));
  results.push({ devices: count, carried: most });
  const ofStatic = most.find(({ name }) => name === "static")!.outcome.goodput;
  sections.push(
    `## ${count === 1 ? "One device" : `${count} devices`}: the most that is carried at p95 under ${LIMIT_MS / 1000} s`,
    table(
      ["policy", "goodput, requests/s", "of static", "p50 ms", "p95 ms", "p99 ms", "p95 of 4 steps ms", "occupancy"],
      most.map(({ name, outcome: o }) => [name, figure(o.goodput), `${(o.goodput / ofStatic).toFixed(2)} ×`, ...[o.p50, o.p95, o.p99, o.p95Short].map(figure), `${Math.round(100 * o.occupancy)} %`]),
    ),
  );
}
const sweep = Object.entries(POLICIES).map(([name, policy]) => ({ name, outcomes: RATES.map((rate) => run(8, policy, 8 * rate)) }));
results.push({ devices: 8, sweep });
sections.push(
  "## Eight devices, offered rates up to 25,000 requests/s",
  table(
    ["policy", "offered/s", "answered within 2 s, /s", "refused/s", "p50 ms", "p95 ms", "p99 ms"],
    sweep.flatMap(({ name, outcomes }) => outcomes.map((o) => [name, figure(o.offered), figure(o.goodput), figure(o.rejected), figure(o.p50), figure(o.p95), figure(o.p99)])),
  ),
);

/** Two CPU cores, an engine on each: which rows under way serve short requests without making long ones wait. */
const cores = 2;
const capacity = (cores * 1000) / (MEAN_STEPS * (CPU_CORE.callMs + CPU_CORE.rowMs));
const cpuPolicies: Record<string, Policy> = {
  "no batching": { batching: "off", maxRows: 1, stepsPerCall: 1, maxQueuedRows: 256 },
  ...Object.fromEntries([2, 4, 8, 16].map((maxRows) => [`continuous, ${maxRows} rows`, { batching: "continuous", maxRows, stepsPerCall: 1, maxQueuedRows: 256 } as const])),
  "static, 8 rows": { batching: "static", maxRows: 8, stepsPerCall: 1, maxQueuedRows: 256 },
};
const cpu = [0.5, 0.7, 0.85].flatMap((share) =>
  Object.entries(cpuPolicies).map(([name, policy]) => {
    const load: Load = { requestsPerSecond: share * capacity, seconds: 4_000, steps: STEPS, shapes: SHAPES, clients: 50, seed: 1 };
    return { share, name, outcome: simulate({ count: cores, ...CPU_CORE }, policy, load) };
  }),
);
results.push({ cpu });
sections.push(
  `## Two CPU cores, an engine on each (a call is ${CPU_CORE.callMs} ms + ${CPU_CORE.rowMs} ms for each row)`,
  table(
    ["load", "policy", "goodput, requests/s", "p50 ms", "p95 ms", "p99 ms", "p95 of 4 steps ms"],
    cpu.map(({ share, name, outcome: o }) => [`${Math.round(100 * share)} %`, name, figure(o.goodput), ...[o.p50, o.p95, o.p99, o.p95Short].map(figure)]),
  ),
);

const intro = `# Simulated devices

Made by \`npm run bench:simulate\`. **Simulated**: the admission, fair queue, dispatch and step scheduler of \`src/engine\` in virtual
time, on devices whose calls take ${GPU.callMs} ms + ${GPU.rowMs} ms for each row, up to ${GPU_ROWS} rows; nothing else is modelled (no encoding, no
decoding, no transport). Poisson arrivals from 50 clients; steps ${STEPS.map(({ share, steps }) => `${steps} (${Math.round(100 * share)} %)`).join(", ")}, ${figure(MEAN_STEPS)} in the mean; three shapes that cannot share a
call (${SHAPES.map((share) => `${Math.round(100 * share)} %`).join(", ")}). The first fifth of each run is not counted. At 100 % load the CPU cores would do nothing but steps of single rows.

*static* collects a batch of one shape and runs all its steps; rows that are done wait in it for the longest. *static, compacted* is
stronger than what is usual: rows that are done leave the call and are answered at once, though none joins before the end.
Occupancy is the share of ${GPU_ROWS} rows that had a step to do, averaged over the time of calls (of one row, for no batching).`;
const panel = (title: string, y: string, of: (outcome: Outcome) => number, top: number) => ({
  title, x: "requests/s offered to eight devices", y, top,
  series: sweep.map(({ name, outcomes }) => ({ name, points: outcomes.map((outcome) => [outcome.offered, of(outcome)] as const) })),
});
const path = writeReport("simulated", [intro, ...sections].join("\n\n"), results, [
  panel("Goodput (simulated)", "answers within 2 s, per second", (o) => o.goodput, 26_000),
  panel("95th percentile (simulated)", "ms", (o) => o.p95, 4_000),
]);
console.log(`wrote ${path}`);
