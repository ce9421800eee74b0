import { createReadStream, existsSync } from "node:fs";
import { open, stat } from "node:fs/promises";
import { createInterface } from "node:readline";
import { usage } from "./exit.js";

export interface Line {
  /** Counted from 1. */
  number: number;
  text: string;
  /** Bytes of the input up to its end. */
  bytes: number;
}

/** The lines of a file or of standard input ("-"); blank ones are counted, not given. */
export async function* linesOf(path: string): AsyncGenerator<Line> {
  if (path !== "-" && !existsSync(path)) throw usage(`There is no file ${path}.`);
  const input = path === "-" ? process.stdin : createReadStream(path);
  let number = 0;
  let bytes = 0;
  for await (const text of createInterface({ input, crlfDelay: Infinity })) {
    number += 1;
    bytes += Buffer.byteLength(text) + 1;
    if (text.trim() !== "") yield { number, text, bytes };
  }
}

/**
 * Numbers of the lines that an earlier run has answered. A last line that was cut off in the middle of writing is cut away, so that it
 * is done again.
 */
export async function answeredLines(output: string): Promise<Set<number>> {
  const answered = new Set<number>();
  if (!existsSync(output)) return answered;
  let whole = 0;
  const { size } = await stat(output);
  for await (const { text, bytes } of linesOf(output)) {
    const line = bytes <= size ? lineNumber(text) : undefined;
    if (line === undefined) break;
    answered.add(line);
    whole = bytes;
  }
  const file = await open(output, "r+");
  await file.truncate(whole);
  await file.close();
  return answered;
}

function lineNumber(text: string): number | undefined {
  try {
    const { line } = JSON.parse(text) as { line?: unknown };
    return typeof line === "number" ? line : undefined;
  } catch {
    return undefined;
  }
}
