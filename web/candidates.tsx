import { diffWords } from "diff";
import { useState } from "preact/hooks";
import type { Candidate } from "../src/client/types.js";
import type { Run } from "./session.js";
import { rowsOf } from "./timeline.js";

const ENDINGS: Record<Candidate["finish_reason"], string> = { stop: "", canvas: "not ended by the model", max_words: "cut to the words asked for" };

interface Props {
  run: Run;
  /** The row on the stage. */
  row: number;
  choose: (row: number) => void;
}

/** Every candidate: as it stands while the sentence forms, ranked and compared with the source when it is done. */
export function Candidates({ run, row, choose }: Props) {
  const result = run.reply?.results[0];
  // A summary leaves nearly all of its source out, so there the words that went are shown on request only.
  const [removed, setRemoved] = useState<boolean>();
  const showRemoved = removed ?? run.task === "paraphrase";
  if (!result) {
    if (run.rows < 2 || run.state === "failed") return null;
    return (
      <section class="panel" aria-labelledby="candidates-title">
        <h2 id="candidates-title">Samples</h2>
        <ol class="candidates">
          {Array.from({ length: run.rows }, (_, number) => (
            <li key={number} class={number === row ? "chosen" : ""}>
              <button type="button" class="pick" aria-pressed={number === row} aria-label={`Show the steps of row ${number + 1}`} onClick={() => choose(number)}>
                {number + 1}
              </button>
              <p class="text">{run.timeline.get(number)?.at(-1)?.text || "…"}</p>
            </li>
          ))}
        </ol>
      </section>
    );
  }
  const rows = rowsOf(result.candidates, run.timeline);
  return (
    <section class="panel" aria-labelledby="candidates-title">
      <div class="panel-top">
        <h2 id="candidates-title">{result.candidates.length > 1 ? "Candidates, best first" : "Result"}</h2>
        <label class="check">
          <input type="checkbox" checked={showRemoved} onChange={(event) => setRemoved(event.currentTarget.checked)} />
          Show words of the source that went
        </label>
      </div>
      <ol class="candidates">
        {result.candidates.map((candidate, rank) => (
          <li key={rank} class={rows[rank] === row ? "chosen" : ""}>
            <button type="button" class="pick" aria-pressed={rows[rank] === row} aria-label={`Show the steps of candidate ${rank + 1}`} onClick={() => choose(rows[rank]!)}>
              {rank + 1}
            </button>
            <Difference source={run.source} text={candidate.text} showRemoved={showRemoved} />
            <p class="notes">
              <span>{`score ${candidate.score.toFixed(2)}`}</span>
              {candidate.similarity !== undefined && <span>{`meaning ${candidate.similarity.toFixed(2)}`}</span>}
              {candidate.count > 1 && <span>{`${candidate.count} samples came out like this`}</span>}
              {candidate.is_copy && <span class="flag">a copy of the source</span>}
              {ENDINGS[candidate.finish_reason] && <span class="flag">{ENDINGS[candidate.finish_reason]}</span>}
            </p>
          </li>
        ))}
      </ol>
      <p class="legend">
        Against your text: <ins>new</ins>
        {showRemoved && <del>gone</del>}
        <span>the same</span>
      </p>
      {result.warnings.map(({ code, message }) => (
        <p key={code} class="warning">
          {message}
        </p>
      ))}
      {result.usage.unselected_tokens > 0 && <p class="legend">{`The model read the sentences that matter most: ${result.usage.source_tokens} tokens; ${result.usage.unselected_tokens} were left out.`}</p>}
      {result.usage.truncated_tokens > 0 && <p class="warning">{`${result.usage.truncated_tokens} tokens at the end of your text were not read.`}</p>}
    </section>
  );
}

function Difference({ source, text, showRemoved }: { source: string; text: string; showRemoved: boolean }) {
  if (text === "") return <p class="text empty">(no text)</p>;
  return (
    <p class="text">
      {diffWords(source, text, { ignoreCase: true }).map(({ value, added, removed }, at) => {
        if (removed) return showRemoved && <del key={at}>{value}</del>;
        return added ? <ins key={at}>{value}</ins> : <span key={at}>{value}</span>;
      })}
    </p>
  );
}
