/** What the rows of one request read as, step by step. No DOM, so it is tested in Node.js. */
import type { Candidate, StepEvent } from "../src/client/types.js";

/** Step events of each row, in order, by the number of its candidate. */
export type Timeline = ReadonlyMap<number, readonly StepEvent[]>;

/** The timeline with one more event; a step that is told again, after an engine restart, replaces what followed it. */
export function withEvent(timeline: Timeline, event: StepEvent): Timeline {
  const before = (timeline.get(event.candidate) ?? []).filter(({ step }) => step < event.step);
  return new Map(timeline).set(event.candidate, [...before, event]);
}

/**
 * Which row each ranked candidate was: the reply does not number them, but a row's last event reads as its result, or, where
 * the result was cut to the words asked for, begins with it.
 */
export function rowsOf(candidates: readonly Candidate[], timeline: Timeline): number[] {
  // Samples that came out alike are one candidate, so there may be more rows than candidates.
  const free = new Set([...Array.from({ length: candidates.length }, (_, row) => row), ...timeline.keys()]);
  const last = (row: number) => timeline.get(row)?.at(-1)?.text;
  const claim = (fits: (row: number) => boolean): number | undefined => {
    const row = [...free].find(fits);
    if (row !== undefined) free.delete(row);
    return row;
  };
  const exact = candidates.map(({ text }) => claim((row) => last(row) === text));
  const begun = candidates.map(({ text }, rank) => exact[rank] ?? claim((row) => last(row)?.startsWith(text) ?? false));
  return begun.map((row) => row ?? claim(() => true)!);
}

export interface Piece {
  text: string;
  /** It continues the word before it. */
  joined: boolean;
  confidence: number;
}

/** Word pieces as they are shown: "##ing" continues a word, and a closing mark stands close to it. */
export function pieces(event: StepEvent): Piece[] {
  return event.tokens.map(({ text, confidence }, at) => {
    const continues = text.length > 2 && text.startsWith("##");
    return { text: continues ? text.slice(2) : text, joined: at === 0 || continues || /^[.,?!;:)\]}%'’]$/.test(text), confidence };
  });
}

/** One of five levels of confidence, 0 the lowest. */
export function level(confidence: number): 0 | 1 | 2 | 3 | 4 {
  return Math.min(4, Math.max(0, Math.floor(confidence * 5))) as 0 | 1 | 2 | 3 | 4;
}

/** The decoder's confidence over all tokens of an event, 0..1. */
export function meanConfidence({ tokens }: StepEvent): number {
  return tokens.length === 0 ? 0 : tokens.reduce((sum, { confidence }) => sum + confidence, 0) / tokens.length;
}
