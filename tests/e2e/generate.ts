import type { StepEvent, TextResult } from "../../src/engine/contract.js";
import { StepScheduler } from "../../src/engine/step-scheduler.js";
import type { PartRequest, Pipeline, PreparedPart } from "../../src/model/pipeline-contract.js";

/** Runs texts through one pipeline and the scheduler, without processes between them. */
export async function generate(
  pipeline: Pipeline,
  requests: readonly PartRequest[],
  { maxRows, stepsPerCall = 1 }: { maxRows: number; stepsPerCall?: number },
  onEvent: (event: StepEvent) => void = () => undefined,
): Promise<TextResult[]> {
  const scheduler = new StepScheduler({ batching: "continuous", maxRows, stepsPerCall });
  const parts: PreparedPart[] = [];
  const everySteps = new Map<unknown, number>();
  for (const request of requests) {
    const part = await pipeline.prepare(request);
    parts.push(part);
    scheduler.add(part.rows);
    for (const row of part.rows) if (request.everySteps !== undefined) everySteps.set(row, request.everySteps);
  }
  for (let tick = scheduler.next(); tick; tick = scheduler.next()) {
    await pipeline.advance(tick.shape, tick.rows, tick.steps);
    for (const row of tick.rows) if (row.done % (everySteps.get(row) ?? Infinity) === 0 || (everySteps.has(row) && row.done === row.steps)) onEvent(await pipeline.read(row));
    for (const row of scheduler.settle(tick)) await pipeline.collect(row);
    for (const part of parts) if (part.rows.every(({ done, steps }) => done === steps)) scheduler.add(pipeline.more(part));
  }
  for (const part of parts) while (await pipeline.revise(part, everySteps.has(part.rows[0]!) ? onEvent : undefined));
  return parts.map((part) => pipeline.finish(part, 0).result);
}
