import { useRef } from "preact/hooks";
import type { Bundle, Info } from "../src/client/types.js";
import { Choice } from "./choice.js";
import { Field } from "./field.js";
import { RareSettings } from "./rare-settings.js";
import { SAMPLES } from "./samples.js";
import type { Run } from "./session.js";
import { SOLVERS, type Settings, type Task } from "./settings.js";

interface Props {
  settings: Settings;
  change: (part: Partial<Settings>) => void;
  /** Of the chosen task; undefined until the server is ready. */
  bundle: Bundle | undefined;
  limits: Info["limits"] | undefined;
  run: Run | undefined;
  submit: () => void;
  stop: () => void;
}

const TASKS: { task: Task; label: string; hint: string }[] = [
  { task: "paraphrase", label: "Paraphrase", hint: "Say a question in other words." },
  { task: "summarize", label: "Summarize", hint: "Say the gist of a news article in a sentence." },
];

/** The text is one of this page, so that nothing of the visitor's is lost with it. */
function isSample(text: string): boolean {
  return Object.values(SAMPLES).flat().some((sample) => sample.text === text);
}

const SOLVER_NAMES: Record<(typeof SOLVERS)[number], string> = {
  ddim: "DDIM",
  dpmpp_2m: "DPM-Solver++ 2M",
  euler_ode: "Euler, ODE",
  euler_sde: "Euler, SDE",
  ancestral: "Ancestral",
  renoise: "Re-noising",
};

export function Form({ settings, change, bundle, limits, run, submit, stop }: Props) {
  const form = useRef<HTMLFormElement>(null);
  const running = run?.state === "waiting" || run?.state === "sharpening";
  const faultOf = (field: string) => run?.problem?.faults.find((fault) => fault.field === field || fault.field.startsWith(`${field}[`))?.message;
  const { hint } = TASKS.find(({ task }) => task === settings.task)!;
  return (
    <form
      ref={form}
      class="ask"
      aria-label="Request"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
      onKeyDown={(event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
          event.preventDefault();
          form.current!.requestSubmit();
        }
      }}
    >
      <fieldset class="tasks">
        <legend class="hidden">Task</legend>
        {TASKS.map(({ task, label }) => (
          <label key={task} class={settings.task === task ? "chosen" : ""}>
            <input type="radio" name="task" value={task} checked={settings.task === task} onChange={() => change(isSample(settings.text) ? { task, text: SAMPLES[task][0]!.text } : { task })} />
            {label}
          </label>
        ))}
      </fieldset>
      <p class="hint">{hint}</p>

      <Field label="Your text" fault={faultOf("text")} wide>
        {(attributes) => (
          <textarea {...attributes} rows={settings.task === "summarize" ? 9 : 4} required maxLength={limits?.text_characters} spellcheck value={settings.text} onInput={(event) => change({ text: event.currentTarget.value })} />
        )}
      </Field>
      <div class="samples" role="group" aria-label="Sample texts">
        <span aria-hidden="true">Try</span>
        {SAMPLES[settings.task].map(({ label, text }) => (
          <button key={label} type="button" class="chip" onClick={() => change({ text })}>
            {label}
          </button>
        ))}
      </div>

      <div class="knobs">
        <Field label="Steps" help="Fewer are faster" fault={faultOf("steps")}>
          {(attributes) => (
            <input {...attributes} type="number" min="1" max={bundle?.limits.max_steps ?? 200} placeholder={bundle ? String(bundle.defaults.steps) : ""} value={settings.steps} onInput={(event) => change({ steps: event.currentTarget.value })} />
          )}
        </Field>
        <Field label="Candidates" help="Ranked, best first" fault={faultOf("num_candidates")}>
          {(attributes) => (
            <input {...attributes} type="number" min="1" max={limits?.candidates ?? 16} required value={settings.candidates} onInput={(event) => change({ candidates: event.currentTarget.value })} />
          )}
        </Field>
        <Field label="Novelty" help="Away from your wording" fault={faultOf("novelty")}>
          {(attributes) => (
            <input {...attributes} type="number" min="0" max="0.5" step="0.05" placeholder={bundle ? String(bundle.defaults.novelty) : ""} value={settings.novelty} onInput={(event) => change({ novelty: event.currentTarget.value })} />
          )}
        </Field>
        <Field label="Solver" help="How noise is removed" fault={faultOf("solver")}>
          {(attributes) => (
            <Choice
              attributes={attributes}
              value={settings.solver}
              unset={bundle ? SOLVER_NAMES[bundle.defaults.solver] : "Default"}
              values={SOLVERS.filter((solver) => solver !== bundle?.defaults.solver || settings.solver === solver)}
              nameOf={(solver) => SOLVER_NAMES[solver]}
              onChoose={(solver) => change({ solver })}
            />
          )}
        </Field>
        <Field label="Seed" help="Same seed, same text" fault={faultOf("seed")}>
          {(attributes) => <input {...attributes} type="number" min="0" max="4294967295" placeholder="drawn" value={settings.seed} onInput={(event) => change({ seed: event.currentTarget.value })} />}
        </Field>
        <Field label="Most words" help="Longer ones are cut" fault={faultOf("max_words")}>
          {(attributes) => <input {...attributes} type="number" min="1" max="10000" placeholder="no limit" value={settings.maxWords} onInput={(event) => change({ maxWords: event.currentTarget.value })} />}
        </Field>
      </div>
      <RareSettings settings={settings} change={change} bundle={bundle} limits={limits} faultOf={faultOf} />

      <div class="actions">
        <button type="submit" class="primary" disabled={bundle === undefined}>
          {settings.task === "paraphrase" ? "Paraphrase" : "Summarize"}
          <kbd aria-hidden="true">Ctrl ↵</kbd>
        </button>
        <button type="button" onClick={stop} disabled={!running}>
          Stop
        </button>
      </div>
    </form>
  );
}
