/** Writes the pages of docs/ that follow from the code: configuration and troubleshooting. A test holds the two together. */
import { writeFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = new URL("..", import.meta.url);
const MADE = "<!-- Made from the code by `npm run docs`; not edited by hand. -->";

/** What to do about each error, beyond what its own description says. */
const ADVICE = {
  malformed_json: "Check quoting in the shell (single quotes around the JSON) and that the file is UTF-8, not UTF-16 or Latin-1.",
  unauthorized: "Send `Authorization: Bearer <key>`; the command line takes the key from `TDI_API_KEY`. A key that was taken out of the server's file is refused within a second or two. See [Security](../SECURITY.md#keys).",
  forbidden: "A key is for generation unless it says otherwise. Operators: `name:sha256-<hex>:metrics` in the key file opens `/metrics`.",
  not_found: "Paths have no trailing slash and are lower case. For a task without a bundle look at `bundles` in `GET /info` and at the models folder (`tdi bundle verify models`).",
  method_not_allowed: "Generation is POST; everything else is GET.",
  not_acceptable: "Send `Accept: application/json` or `text/event-stream`, or no Accept header; of `/batch` `application/jsonl`.",
  body_too_large: "Send fewer texts in a request, or many with `POST /batch`. Operators: `--max-body-bytes`, `--max-batch-bytes`.",
  unsupported_media_type: "With curl: `-H 'content-type: application/json'`. Without it curl sends a form.",
  invalid_request: "`errors` names every field and what it must be. A misspelt field is an error too, so that no option is ignored silently.",
  text_too_long: "`errors` has both counts. Summaries of long articles mostly need their beginning: `\"truncation\": \"end\"`; `usage.truncated_tokens` then tells what was not read. A text\nwith nothing to select from (one sentence only, or none of a usual length) has the lower limit `read_tokens` of `/info`.",
  text_unreadable: "The embedded models read English. `GET /info` names the languages.",
  text_too_short: "A summary is never longer than its text, so a text of a few words has none.",
  internal: "Look for the `request_id` of the reply in the log; the line has the kind of the error and its stack. At `--log-level debug` there is also the message, which may quote the input.",
  client_over_share: "One client has as many rows admitted as one may have. Wait for the seconds in Retry-After. Operators: behind a proxy all clients look like one; set `--trusted-proxies`, or give out API keys.",
  rate_limited: "Wait for the seconds in Retry-After; `GET /info` has the limits. Lines of `POST /batch` wait by themselves. Operators: `--max-requests-per-minute`, `--max-rows-per-minute`.",
  queue_full: "Wait for the seconds in Retry-After; they follow from how fast the queue drains. Operators: see [TdiSaturated](operations.md#tdisaturated).",
  not_ready: "At the start the bundles are loaded and tried out, which takes seconds to a minute. If it does not end, the log says why (`engine down`, `cannot load the model bundles`).",
  engine_restarted: "Send the request again. If the same request does it again, it is what ends the engine: report it with the log lines `engine down` around it. Often it is memory: see `tdi_engine_memory_bytes`.",
  deadline_exceeded: "Ask for fewer steps, candidates or texts, or send them with `POST /batch`, where each line has a deadline of its own. Operators: `--deadline-ms`.",
};

/** The text of each page, by its name in docs/. @throws Error when the code was not built, or an error has no advice */
export async function pages() {
  const [{ settings }, { ERRORS }, { DEVICE_NOTES }] = await Promise.all(["config", "errors", "model/device"].map((name) => import(new URL(`dist/src/${name}.js`, root).href)));
  const cell = (text) => text.replaceAll("|", "\\|");
  const rows = settings().map(({ flag, env, fallback, help }) => `| \`${flag}\` | \`${env}\` | ${cell(fallback)} | ${cell(help)} |`);
  const devices = Object.entries(DEVICE_NOTES).map(([name, { needs, tried }]) => `| \`${name}\` | ${cell(needs)}. | ${tried} |`);
  const errors = Object.entries(ERRORS).map(([code, { status, title, description }]) => {
    if (!ADVICE[code]) throw new Error(`scripts/docs.mjs has no advice on ${code}`);
    return `## ${code}\n\n**${status} ${title}.** ${description}\n\n${ADVICE[code]}`;
  });
  return {
    "configuration.md": `${MADE}\n\n# Configuration\n\nEvery setting is a flag and an environment variable; the flag wins. An empty variable counts as unset. A wrong value ends the start\nwith exit code 2 and a line for each setting at fault.\n\n| flag | variable | default | what |\n|---|---|---|---|\n${rows.join("\n")}\n\nTraces also obey the standard variables of OpenTelemetry, such as \`OTEL_SERVICE_NAME\` and \`OTEL_EXPORTER_OTLP_HEADERS\`.\n\n## Devices\n\n\`--device auto\` tries what the platform may have (Linux: CUDA, WebGPU; Windows: DirectML, WebGPU; macOS: Core ML, WebGPU), each with an\ninference in a process of its own, takes the first that gives the CPU's results in less time, else the CPU, and logs why not the\nothers. A device asked for by name that cannot be used ends the start with what it needs. \`GET /info\` (\`providers\`) and the metric\n\`tdi_bundle_info\` (label \`provider\`) tell what is in use.\n\n| device | needs | tried on real hardware |\n|---|---|---|\n${devices.join("\n")}\n`,
    "troubleshooting.md": `${MADE}\n\n# Troubleshooting by error code\n\nEvery error is a problem document (RFC 9457) with a stable \`code\`; in a stream it is the last event, in a batch it stands in the\nline's own answer. \`request_id\` is in the server's log too.\n\n${errors.join("\n\n")}\n`,
  };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  for (const [name, text] of Object.entries(await pages())) writeFileSync(fileURLToPath(new URL(`docs/${name}`, root)), text);
}
