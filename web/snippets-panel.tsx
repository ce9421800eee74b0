import { useRef, useState } from "preact/hooks";
import type { Run } from "./session.js";
import { SAMPLES } from "./samples.js";
import { toRequest, type Settings } from "./settings.js";
import { curl, typescript } from "./snippets.js";

const LANGUAGES = ["curl", "TypeScript"] as const;

/** The request as code: that of the run on the page with the seed it used, else that of the form. */
export function Snippets({ settings, run }: { settings: Settings; run: Run | undefined }) {
  const [language, setLanguage] = useState<(typeof LANGUAGES)[number]>("curl");
  const tabs = useRef<HTMLDivElement>(null);
  const request = run?.reply ? { ...run.request, seed: run.reply.seed } : toRequest(settings.text.trim() === "" ? { ...settings, text: SAMPLES[settings.task][0]!.text } : settings);
  const write = language === "curl" ? curl : typescript;
  const code = write(location.origin, run?.reply ? run.task : settings.task, request);
  return (
    <section class="panel" aria-labelledby="snippets-title">
      <div class="panel-top">
        <h2 id="snippets-title">The same in code</h2>
        <div
          class="tabs"
          role="tablist"
          aria-label="Language"
          ref={tabs}
          onKeyDown={(event) => {
            if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
            const next = LANGUAGES[1 - LANGUAGES.indexOf(language)]!;
            setLanguage(next);
            tabs.current?.querySelector<HTMLButtonElement>(`[data-language="${next}"]`)?.focus();
          }}
        >
          {LANGUAGES.map((each) => (
            <button key={each} type="button" role="tab" data-language={each} id={`tab-${each}`} aria-controls="snippet" aria-selected={language === each} tabIndex={language === each ? 0 : -1} onClick={() => setLanguage(each)}>
              {each}
            </button>
          ))}
        </div>
        <Copy label="Copy" text={() => code} />
        <Copy label="Copy link" text={() => location.href} />
      </div>
      <pre id="snippet" role="tabpanel" aria-labelledby={`tab-${language}`} tabIndex={0}>
        <code>{code}</code>
      </pre>
    </section>
  );
}

/** Milliseconds for which a button says that it did its work. */
const SAID_MS = 1_500;

function Copy({ label, text }: { label: string; text: () => string }) {
  const [said, setSaid] = useState<string>();
  const copy = async () => {
    // Absent over plain HTTP from another machine.
    const done = await navigator.clipboard?.writeText(text()).then(
      () => true,
      () => false,
    );
    setSaid(done ? "Copied" : "Not allowed here");
    setTimeout(() => setSaid(undefined), SAID_MS);
  };
  return (
    <button type="button" class="chip" onClick={() => void copy()}>
      <span aria-live="polite">{said ?? label}</span>
    </button>
  );
}
