import { useEffect, useState } from "preact/hooks";
import type { Info } from "../src/client/types.js";

const THEMES = ["auto", "light", "dark"] as const;
type Theme = (typeof THEMES)[number];
const NAMES: Record<Theme, string> = { auto: "Auto", light: "Light", dark: "Dark" };

function storedTheme(): Theme {
  const stored = localStorage.getItem("theme") as Theme;
  return THEMES.includes(stored) ? stored : "auto";
}

export function Header({ info }: { info: Info | undefined }) {
  const [theme, setTheme] = useState<Theme>(storedTheme);
  useEffect(() => {
    document.documentElement.dataset["theme"] = theme;
    localStorage.setItem("theme", theme);
  }, [theme]);
  const state = info === undefined ? "connecting" : info.ready ? "ready" : "loading";
  return (
    <header class="top">
      <div class="brand">
        <img src="/assets/icon.svg" alt="" width="32" height="32" />
        <h1>Text Diffusion Inference</h1>
      </div>
      <p class={`badge ${state}`} role="status">
        <span class="dot" aria-hidden="true" />
        {state === "ready" ? `ready · ${info!.providers.join(", ")}` : state === "loading" ? "the models are loading" : "connecting"}
      </p>
      <nav aria-label="Site">
        <a href="/docs">API reference</a>
        <a href="/info">Info</a>
        <a href="/metrics">Metrics</a>
        <label class="theme">
          <span class="hidden">Theme</span>
          <select value={theme} onChange={(event) => setTheme(event.currentTarget.value as Theme)}>
            {THEMES.map((each) => (
              <option key={each} value={each}>
                {NAMES[each]}
              </option>
            ))}
          </select>
        </label>
      </nav>
    </header>
  );
}
