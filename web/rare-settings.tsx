import { useState } from "preact/hooks";
import type { Bundle, Grid, Info, Ranking } from "../src/client/types.js";
import { Choice } from "./choice.js";
import { Field } from "./field.js";
import { GRIDS, RANKINGS, RARE, type Settings } from "./settings.js";

const GRID_NAMES: Record<Grid, string> = { linear: "Linear in time", logsnr: "Even in log SNR", logit_normal: "Logit-normal" };
const RANKING_NAMES: Record<Ranking, string> = { mbr: "Closest to all others", confidence: "Surest", quality: "Meaning, facts, fluency" };

interface Props {
  settings: Settings;
  change: (part: Partial<Settings>) => void;
  bundle: Bundle | undefined;
  limits: Info["limits"] | undefined;
  /** What the server found wrong with a field of the request. */
  faultOf: (field: string) => string | undefined;
}

/** The settings that few need, folded away; open where a link or the server says something of one. */
export function RareSettings({ settings, change, bundle, limits, faultOf }: Props) {
  const [open, setOpen] = useState(false);
  const faulty = ["grid", "guidance", "clamp_steps", "best_of", "revisions", "ranking", "canvas", "truncation"].some((field) => faultOf(field) !== undefined);
  return (
    <details class="rare" open={open || faulty || RARE.some((key) => settings[key] !== "")} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>More settings</summary>
      <div class="knobs">
        <Field label="Grid" help="How steps are spaced" fault={faultOf("grid")}>
          {(attributes) => (
            <Choice attributes={attributes} value={settings.grid} unset={bundle ? `Default: ${GRID_NAMES[bundle.defaults.grid]}` : "Default"} values={GRIDS} nameOf={(grid) => GRID_NAMES[grid]} onChoose={(grid) => change({ grid })} />
          )}
        </Field>
        <Field label="Guidance" help="Pull towards your text" fault={faultOf("guidance")}>
          {(attributes) => (
            <input {...attributes} type="number" min="0" max={bundle?.limits.max_guidance ?? 10} step="0.1" placeholder={bundle ? String(bundle.defaults.guidance) : ""} value={settings.guidance} onInput={(event) => change({ guidance: event.currentTarget.value })} />
          )}
        </Field>
        <Field label="Clamped steps" help="Go on from words" fault={faultOf("clamp_steps")}>
          {(attributes) => (
            <input {...attributes} type="number" min="0" max="200" placeholder={bundle ? String(bundle.defaults.clamp_steps) : ""} value={settings.clampSteps} onInput={(event) => change({ clampSteps: event.currentTarget.value })} />
          )}
        </Field>
        <Field label="Samples" help="The best are shown" fault={faultOf("best_of")}>
          {(attributes) => (
            <input {...attributes} type="number" min="1" max={limits?.candidates ?? 16} placeholder={bundle ? String(bundle.defaults.best_of) : ""} value={settings.bestOf} onInput={(event) => change({ bestOf: event.currentTarget.value })} />
          )}
        </Field>
        <Field label="Revisions" help="Mend or reword a candidate" fault={faultOf("revisions")}>
          {(attributes) => (
            <input {...attributes} type="number" min="0" max="4" placeholder={bundle ? String(bundle.defaults.revisions) : ""} value={settings.revisions} onInput={(event) => change({ revisions: event.currentTarget.value })} />
          )}
        </Field>
        <Field label="Ranking" help="What makes the best one" fault={faultOf("ranking")}>
          {(attributes) => (
            <Choice attributes={attributes} value={settings.ranking} unset={bundle ? `Default: ${RANKING_NAMES[bundle.defaults.ranking]}` : "Default"} values={RANKINGS} nameOf={(ranking) => RANKING_NAMES[ranking]} onChoose={(ranking) => change({ ranking })} />
          )}
        </Field>
        <Field label="Canvas" help="Places for words" fault={faultOf("canvas")}>
          {(attributes) => (
            <Choice attributes={attributes} value={settings.canvas} unset="By the text's length" values={canvases(bundle, settings.canvas)} nameOf={(canvas) => canvas} onChoose={(canvas) => change({ canvas })} />
          )}
        </Field>
        <Field label="Overlong text" help="Over the model’s limit" fault={faultOf("truncation")}>
          {(attributes) => (
            <select {...attributes} value={settings.truncation} onChange={(event) => change({ truncation: event.currentTarget.value as Settings["truncation"] })}>
              <option value="">Is refused</option>
              <option value="end">Is cut at its end</option>
            </select>
          )}
        </Field>
      </div>
    </details>
  );
}

/** The bundle's canvases, and the chosen one where a link came with another: it is the server's to refuse. */
function canvases(bundle: Bundle | undefined, chosen: string): string[] {
  const known = (bundle?.limits.canvases ?? []).map(String);
  return chosen === "" || known.includes(chosen) ? known : [...known, chosen];
}
