import { Fragment } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { StepEvent } from "../src/client/types.js";
import type { Run } from "./session.js";
import { level, meanConfidence, pieces } from "./timeline.js";

/** Milliseconds a step is shown for in a replay. */
const FRAME_MS = 140;
/** Widths of the blocks that stand for words not yet told from noise, in tenths of an em. */
const NOISE = [34, 52, 28, 61, 43, 25, 56, 37, 48, 30];

export function Stage({ run, row }: { run: Run | undefined; row: number }) {
  const events = run?.timeline.get(row) ?? [];
  // Undefined: the newest step, whatever it is.
  const [place, setPlace] = useState<number>();
  const [playing, setPlaying] = useState(false);
  useEffect(() => {
    setPlace(undefined);
    setPlaying(false);
  }, [run?.request, row]);

  const newest = events.length - 1;
  const shown = Math.min(place ?? newest, newest);
  useEffect(() => {
    if (!playing) return undefined;
    const timer = setTimeout(() => (shown >= newest ? setPlaying(false) : setPlace(shown + 1)), FRAME_MS);
    return () => clearTimeout(timer);
  }, [playing, shown, newest]);

  const event = events[shown];
  const done = run?.state === "done";
  return (
    <section class="stage" aria-labelledby="stage-title">
      <div class="stage-top">
        <h2 id="stage-title">{title(run, event)}</h2>
        {event && <p class="facts">{`t = ${event.t.toFixed(2)} · confidence ${Math.round(meanConfidence(event) * 100)} %`}</p>}
      </div>
      {event ? <Sentence event={event} /> : <Noise run={run} />}
      {run?.problem && <Problem problem={run.problem} />}
      {events.length > 1 && (
        <div class="scrub">
          <button
            type="button"
            disabled={!done}
            onClick={() => {
              setPlace(playing || shown < newest ? shown : 0);
              setPlaying(!playing);
            }}
          >
            {playing ? "Pause" : "Replay"}
          </button>
          <label>
            <span class="hidden">Step</span>
            <input
              type="range"
              min="0"
              max={expected(run!, event!) - 1}
              value={shown}
              aria-valuetext={event && `step ${event.step} of ${event.steps}: ${event.text}`}
              onInput={(input) => {
                setPlaying(false);
                // While the sentence forms, the part to come cannot be seen yet.
                const wanted = Math.min(Number(input.currentTarget.value), newest);
                input.currentTarget.value = String(wanted);
                setPlace(wanted);
              }}
            />
          </label>
          <output>{event && `${event.step} / ${event.steps}`}</output>
        </div>
      )}
      {events.length > 0 && <Legend />}
      <p class="hidden" role="status">
        {announcement(run)}
      </p>
    </section>
  );
}

/** Step events that the shown row has in the end. */
function expected(run: Run, { steps }: StepEvent): number {
  return Math.ceil(steps / run.everySteps);
}

function title(run: Run | undefined, event: StepEvent | undefined): string {
  if (!run) return "Watch a sentence sharpen out of noise";
  if (run.state === "failed") return "That did not work";
  if (!event) return run.state === "stopped" ? "Stopped" : "Waiting for the first step";
  return `Step ${event.step} of ${event.steps}${run.state === "stopped" ? ", stopped" : ""}`;
}

/** For screen readers: the beginning and the end, not each step. */
function announcement(run: Run | undefined): string {
  if (!run) return "";
  if (run.state === "done") return `Done. ${run.reply!.results[0]!.text}`;
  if (run.state === "failed") return `${run.problem!.title}. ${run.problem!.detail}`;
  return run.state === "stopped" ? "Stopped." : "The text is being made.";
}

function Sentence({ event }: { event: StepEvent }) {
  return (
    <p class="sentence">
      <span class="hidden">{event.text}</span>
      <span aria-hidden="true">
        {pieces(event).map(({ text, joined, confidence }, at) => (
          // Keyed by its text too: a token that changes is a new one, and comes in anew.
          <Fragment key={`${at} ${text}`}>
            {!joined && " "}
            <span class={`${joined ? "joined " : ""}token c${level(confidence)}`} title={`${text}: ${Math.round(confidence * 100)} %`}>
              {text}
            </span>
          </Fragment>
        ))}
      </span>
    </p>
  );
}

function Noise({ run }: { run: Run | undefined }) {
  const waiting = run?.state === "waiting";
  return (
    <>
      <p class={`sentence noise${waiting ? " waiting" : ""}`} aria-hidden="true">
        {NOISE.map((width, at) => (
          <span key={at} class="block" style={{ width: `${width / 10}rem`, animationDelay: `${at * 90}ms` }} />
        ))}
      </p>
      {!run && (
        <p class="intro">
          Most language models write one word after the other. A diffusion model begins with noise in every place at once and makes the whole sentence clearer at each step. Paste a text, press the button, then drag the slider to go back and forth in time.
        </p>
      )}
    </>
  );
}

function Legend() {
  return (
    <p class="legend">
      How sure the decoder is of each word:
      {["0–20 %", "20–40 %", "40–60 %", "60–80 %", "80–100 %"].map((range, at) => (
        <span key={range} class={`token c${at}`}>
          {range}
        </span>
      ))}
    </p>
  );
}

function Problem({ problem }: { problem: NonNullable<Run["problem"]> }) {
  return (
    <div class="problem">
      <strong>{problem.title}</strong>
      <p>{problem.detail}</p>
      {problem.faults.length > 0 && (
        <ul>
          {problem.faults.map(({ field, message }) => (
            <li key={field}>
              <code>{field}</code> {message}
            </li>
          ))}
        </ul>
      )}
      {problem.code && <p class="code">{`Code ${problem.code}`}</p>}
    </div>
  );
}
