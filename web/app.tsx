import { useCallback, useEffect, useState } from "preact/hooks";
import { TdiApiError } from "../src/client/index.js";
import type { Info } from "../src/client/types.js";
import { Candidates } from "./candidates.js";
import { Form } from "./form.js";
import { Header } from "./header.js";
import { KeyForm } from "./key.js";
import { SAMPLES } from "./samples.js";
import { client, sendKey, useRun } from "./session.js";
import { fromHash, START, toHash, type Settings, type Task } from "./settings.js";
import { Snippets } from "./snippets-panel.js";
import { Stage } from "./stage.js";
import { rowsOf } from "./timeline.js";
import { Timings } from "./timings.js";

/** Milliseconds between two looks at a server that is not ready yet. */
const POLL_MS = 2_000;

/** What the server has loaded; asked for again until it is ready. `keysTried` is there while it asks for a key. */
function useInfo(): { info: Info | undefined; keysTried: number | undefined; tryKey: (key: string) => void } {
  const [info, setInfo] = useState<Info>();
  const [locked, setLocked] = useState(false);
  const [tries, setTries] = useState(0);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout>;
    const ask = async () => {
      const told = await client.info({ retries: 0 }).catch((error: unknown) => (error instanceof TdiApiError && (error.status === 401 || error.status === 403) ? "locked" : undefined));
      setLocked(told === "locked");
      if (told === "locked") return;
      if (told) setInfo(told);
      if (!told?.ready) timer = setTimeout(() => void ask(), POLL_MS);
    };
    void ask();
    return () => clearTimeout(timer);
  }, [tries]);
  const tryKey = useCallback((key: string) => {
    sendKey(key);
    setTries((before) => before + 1);
  }, []);
  return { info, keysTried: locked ? tries : undefined, tryKey };
}

export function App() {
  const { info, keysTried, tryKey } = useInfo();
  const [settings, setSettings] = useState<Settings>(() => (location.hash === "" ? { ...START, text: SAMPLES[START.task][0]!.text } : fromHash(location.hash)));
  const [row, setRow] = useState(0);
  const bundleOf = useCallback((task: Task) => info?.bundles.find((bundle) => bundle.task === task), [info]);
  const { run, start, stop } = useRun(useCallback((task: Task) => bundleOf(task)?.defaults ?? { steps: 20, best_of: 1 }, [bundleOf]), info?.limits.candidates);

  useEffect(() => {
    const hash = toHash(settings);
    history.replaceState(null, "", hash === "" ? location.pathname : `#${hash}`);
  }, [settings]);
  useEffect(() => {
    const follow = () => setSettings(fromHash(location.hash));
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  useEffect(() => {
    const escape = (event: KeyboardEvent) => event.key === "Escape" && stop();
    addEventListener("keydown", escape);
    return () => removeEventListener("keydown", escape);
  }, [stop]);

  // The best candidate comes on the stage.
  useEffect(() => {
    if (run?.reply) setRow(rowsOf(run.reply.results[0]!.candidates, run.timeline)[0]!);
  }, [run?.reply]);

  const submit = () => {
    setRow(0);
    void start(settings);
    // In one column the result is below the fold.
    if (matchMedia("(max-width: 56rem)").matches) document.getElementById("result")!.scrollIntoView();
  };

  return (
    <>
      <a class="skip" href="#result" onClick={(event) => (event.preventDefault(), document.getElementById("result")?.focus())}>
        Skip to the result
      </a>
      <Header info={info} />
      {keysTried !== undefined && <KeyForm refused={keysTried > 0} use={tryKey} />}
      <main>
        <Form settings={settings} change={(part) => setSettings((now) => ({ ...now, ...part }))} bundle={bundleOf(settings.task)} limits={info?.limits} run={run} submit={submit} stop={stop} />
        <section id="result" class="result" aria-label="Result" tabIndex={-1}>
          <Stage run={run} row={row} />
          {run && <Candidates run={run} row={row} choose={setRow} />}
          {run?.reply && <Timings reply={run.reply} keepSeed={(seed) => setSettings((now) => ({ ...now, seed: String(seed) }))} kept={settings.seed === String(run.reply.seed)} />}
          <Snippets settings={settings} run={run} />
        </section>
      </main>
      <footer>
        <p>
          The text you paste goes to this server and nowhere else, and is not kept. A shared link holds it after the “#”, which browsers do not send.
        </p>
      </footer>
    </>
  );
}
