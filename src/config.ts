import { availableParallelism, totalmem } from "node:os";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { z } from "zod";
import { parseKeys, type ApiKey } from "./access/keys.js";
import { MOST_SAMPLES } from "./engine/contract.js";
import { BATCHINGS, type Batching } from "./engine/step-scheduler.js";
import { DEVICES, NUMBERED, PRODUCTS, type DeviceName, type Products } from "./model/device.js";
import { projectPath } from "./project.js";

export const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug", "silent"] as const;

interface Flag<T> {
  /** The environment variable with the same meaning; the flag wins over it. */
  env: string;
  help: string;
  fallback: T;
  schema: z.ZodType<T, string>;
  /** A value at fault is not repeated. */
  secret?: boolean;
}

function integer(min: number, max: number): z.ZodType<number, string> {
  const message = `must be an integer from ${min} to ${max}`;
  return z
    .string()
    .regex(/^\d{1,15}$/, message)
    .transform(Number)
    .refine((value) => value >= min && value <= max, message);
}

const text: z.ZodType<string, string> = z.string().min(1, "must not be empty");

/** Names that a browser sends as Origin: scheme, host and port. */
const origins: z.ZodType<string[], string> = z
  .string()
  .transform((list) => list.split(/[\s,]+/).filter((origin) => origin !== ""))
  .refine((list) => list.every((origin) => URL.canParse(origin) && new URL(origin).origin === origin), "must be origins such as https://example.org, separated by commas");

const apiKeys: z.ZodType<ApiKey[], string> = z.string().transform((list, context) => {
  try {
    return parseKeys(list);
  } catch (error) {
    context.addIssue({ code: "custom", message: (error as Error).message });
    return z.NEVER;
  }
});

function flag<T>(env: string, fallback: T, schema: z.ZodType<T, string>, help: string): Flag<T> {
  return { env, fallback, schema, help };
}

const DAY_MS = 86_400_000;
const CORES = Math.min(availableParallelism(), 8);

/** Bytes of memory of this machine or container. */
export function availableMemory(): number {
  return Math.min(totalmem(), process.constrainedMemory() || Infinity);
}

/** An engine process with both embedded bundles occupies half of this, much of it shared where graphs are prepared; load needs the rest. */
const ENGINE_BYTES = 1e9;

/** Engine processes where none are asked for: on a CPU one for each thread that there is memory for, on a GPU one, which fills it. */
export function usualEngines(device: DeviceName, threads: number): number {
  return device === "cpu" ? Math.max(1, Math.min(threads, Math.floor(availableMemory() / ENGINE_BYTES))) : 1;
}

const DEVICE_CHOICES = ["auto", ...DEVICES] as const;
type DeviceChoice = (typeof DEVICE_CHOICES)[number];

/** Every setting of the server: the flag's name, its environment twin, default, check and one line of help. */
const FLAGS = {
  host: flag("HOST", "127.0.0.1", text, "address to listen on; 0.0.0.0 for every interface"),
  port: flag("PORT", 8080, integer(0, 65_535), "port to listen on; 0 picks a free one"),
  "models-dir": flag("TDI_MODELS_DIR", projectPath("models"), text, "folder whose sub-folders are the model bundles"),
  "cache-dir": flag("TDI_CACHE_DIR", projectPath("node_modules/.cache/text-diffusion-inference"), text, "folder that keeps the graphs as prepared for this processor where --products is fp32, half a gigabyte for the embedded bundles; engine processes then share their weights, and take a little longer to start, as every byte is checked; none does without; of a CPU alone"),
  device: flag("TDI_DEVICE", "auto" as DeviceChoice, z.enum(DEVICE_CHOICES, `must be one of ${DEVICE_CHOICES.join(", ")}`) as z.ZodType<DeviceChoice, string>, `what computes: ${DEVICE_CHOICES.join(", ")}; auto takes the first GPU that gives the CPU's results in less time, else the CPU`),
  "device-id": flag("TDI_DEVICE_ID", 0, integer(0, 63), `which of several GPUs; of ${NUMBERED.join(", ")} alone`),
  products: flag("TDI_PRODUCTS", "int8" as Products, z.enum(PRODUCTS) as z.ZodType<Products, string>, "what a CPU multiplies: int8 keeps the weights packed and rounds activations in blocks of 32, faster where the processor has dot products of eight bits (AVX2, AVX-512 VNNI, NEON), in less memory; fp32 unpacks them"),
  // Beyond the cores of one socket the small graphs of the default bundles only get slower.
  threads: flag("TDI_THREADS", CORES, integer(1, 256), "compute threads, divided among the engine processes"),
  engines: flag("TDI_ENGINES", 0, integer(0, 64), "engine processes; 0 is one for a GPU, and on a CPU as many as threads, if there is 1 GB for each: so it serves most requests a second, while one serves a single request fastest"),
  batching: flag("TDI_BATCHING", "continuous" as Batching, z.enum(BATCHINGS) as z.ZodType<Batching, string>, `when rows may join a batch: ${BATCHINGS.join(", ")} (the last two to compare with)`),
  "max-batch-rows": flag("TDI_MAX_BATCH_ROWS", 8, integer(1, 65_536), "rows under way in one engine process at a time; a row with guidance counts twice"),
  "steps-per-call": flag("TDI_STEPS_PER_CALL", 1, integer(1, 64), "denoising steps in one call of the model; over 1 only where a call is dear"),
  "max-engine-mb": flag("TDI_MAX_ENGINE_MB", 0, integer(0, 10_000_000), "megabytes of memory of one engine process, over which it is replaced; 0 is four fifths of the memory there is, divided among them"),
  "max-queued-rows": flag("TDI_MAX_QUEUED_ROWS", 512, integer(1, 1_000_000), "rows (texts x samples) admitted at a time, waiting and running; more is a 503"),
  "max-client-rows": flag("TDI_MAX_CLIENT_ROWS", 0, integer(0, 1_000_000), "rows that one client may have admitted at a time; more is a 429; 0 is half of --max-queued-rows, but at least --max-rows"),
  "deadline-ms": flag("TDI_DEADLINE_MS", 60_000, integer(1, DAY_MS), "milliseconds a request may take; then it is a 504"),
  "max-body-bytes": flag("TDI_MAX_BODY_BYTES", 1_048_576, integer(1, 1_073_741_824), "bytes of a request body"),
  "max-text-characters": flag("TDI_MAX_TEXT_CHARACTERS", 20_000, integer(1, 10_000_000), "characters of one text"),
  "max-texts": flag("TDI_MAX_TEXTS", 32, integer(1, 4096), "texts of one request"),
  "max-candidates": flag("TDI_MAX_CANDIDATES", MOST_SAMPLES, integer(1, MOST_SAMPLES), "samples of one text (best_of), and so candidates"),
  "max-rows": flag("TDI_MAX_ROWS", 256, integer(1, 65_536), "texts x samples of one request"),
  "max-row-steps": flag("TDI_MAX_ROW_STEPS", 4_096, integer(1, 100_000_000), "texts x samples x steps of one request, its whole cost; what is over the deadline anyhow is better refused at once"),
  "max-json-depth": flag("TDI_MAX_JSON_DEPTH", 16, integer(1, 1_000), "arrays and objects of a body that lie in each other"),
  "max-header-bytes": flag("TDI_MAX_HEADER_BYTES", 16_384, integer(1_024, 1_048_576), "bytes of a request's headers; more is a 431"),
  "headers-timeout-ms": flag("TDI_HEADERS_TIMEOUT_MS", 10_000, integer(100, DAY_MS), "milliseconds in which a request's headers have to arrive; then the connection is closed with a 408"),
  "request-timeout-ms": flag("TDI_REQUEST_TIMEOUT_MS", 30_000, integer(100, DAY_MS), "milliseconds in which a whole request has to arrive, its body too; then the connection is closed with a 408"),
  "max-connections": flag("TDI_MAX_CONNECTIONS", 1_024, integer(1, 1_000_000), "connections open at a time; further ones are closed at once"),
  "api-keys": { ...flag("TDI_API_KEYS", [] as ApiKey[], apiKeys, "API keys as name:key or name:sha256-<hex>, separated by commas; without any, and without a file, everybody is let in. Set the variable: a command line can be read by others"), secret: true },
  "api-keys-file": flag("TDI_API_KEYS_FILE", "", text, "file with a key a line as name:sha256-<hex>[:scope+scope], read again when it changes; tdi key makes the lines"),
  "max-requests-per-minute": flag("TDI_MAX_REQUESTS_PER_MINUTE", 0, integer(0, 1_000_000), "requests of one key, or of one address where there are no keys, in a minute; more is a 429; 0 is no limit"),
  "max-rows-per-minute": flag("TDI_MAX_ROWS_PER_MINUTE", 0, integer(0, 1_000_000), "rows (texts x samples) of one key or address in a minute; more is a 429; 0 is no limit"),
  "cors-origins": flag("TDI_CORS_ORIGINS", [] as string[], origins, "origins whose pages may call the API from a browser, separated by commas"),
  "trusted-proxies": flag("TDI_TRUSTED_PROXIES", 0, integer(0, 16), "proxies in front of the server that set X-Forwarded-For; a client's address is then taken from there"),
  "grace-ms": flag("TDI_GRACE_MS", 1_000, integer(0, DAY_MS), "milliseconds at shutdown in which /health/ready says no and requests are still taken, for load balancers to notice"),
  "max-batch-bytes": flag("TDI_MAX_BATCH_BYTES", 33_554_432, integer(1, 1_073_741_824), "bytes of the body of POST /batch"),
  "batch-lines": flag("TDI_BATCH_LINES", 4, integer(1, 4096), "lines of all batches together that the engine has at a time; interactive requests wait for no more than these"),
  "heartbeat-ms": flag("TDI_HEARTBEAT_MS", 10_000, integer(10, DAY_MS), "milliseconds of silence after which an event stream sends a comment; below the idle timeout of every proxy"),
  "drain-ms": flag("TDI_DRAIN_MS", 20_000, integer(0, DAY_MS), "milliseconds that running requests get to finish at shutdown"),
  "hang-ms": flag("TDI_HANG_MS", 30_000, integer(100, DAY_MS), "milliseconds without progress after which the engine process is replaced"),
  "load-ms": flag("TDI_LOAD_MS", 300_000, integer(100, DAY_MS), "milliseconds the engine process may take to load and warm up"),
  "otlp-endpoint": flag("OTEL_EXPORTER_OTLP_ENDPOINT", "", text, "base address of an OpenTelemetry collector (OTLP over HTTP) that traces go to; none are made without it"),
  "trace-ticks": flag("TDI_TRACE_TICKS", 64, integer(0, 10_000), "calls of the denoiser that a request's trace shows as spans of their own; those beyond are one span together"),
  "log-level": flag("TDI_LOG_LEVEL", "info" as (typeof LOG_LEVELS)[number], z.enum(LOG_LEVELS) as z.ZodType<(typeof LOG_LEVELS)[number], string>, `least level that is logged: ${LOG_LEVELS.join(", ")}`),
};

type Flags = typeof FLAGS;
type CamelCase<S extends string> = S extends `${infer Head}-${infer Tail}` ? `${Head}${Capitalize<CamelCase<Tail>>}` : S;

export type Config = { [K in keyof Flags as CamelCase<K>]: Flags[K]["fallback"] };

/** A setting that cannot be used; the message names the flag and is fit to show. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

function camelCase(name: string): string {
  return name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/**
 * The configuration from flags over environment over defaults.
 * @param args the command line after the program's name
 * @throws ConfigError with one line for each setting at fault
 */
export function parseConfig(args: string[], env: NodeJS.ProcessEnv): Config | "help" | "version" {
  const options = Object.fromEntries(Object.keys(FLAGS).map((name) => [name, { type: "string" as const }]));
  let values: Record<string, string | boolean | undefined>;
  try {
    ({ values } = parseArgs({ args, options: { ...options, help: { type: "boolean", short: "h" }, version: { type: "boolean" } }, strict: true }));
  } catch (error) {
    throw new ConfigError(`${(error as Error).message.split(". ")[0]}. --help lists the flags.`);
  }
  if (values["help"]) return "help";
  if (values["version"]) return "version";

  const config: Record<string, unknown> = {};
  const faults: string[] = [];
  for (const [name, entry] of Object.entries(FLAGS) as [string, Flag<unknown>][]) {
    // An empty variable counts as unset, as in a compose file with no value filled in.
    const fromEnv = env[entry.env] === "" ? undefined : env[entry.env];
    const raw = (values[name] as string | undefined) ?? fromEnv;
    const parsed = raw === undefined ? { success: true as const, data: entry.fallback } : entry.schema.safeParse(raw);
    if (parsed.success) config[camelCase(name)] = parsed.data;
    else faults.push(`--${name} (or ${entry.env}): ${parsed.error.issues[0]?.message ?? "is not valid"}${entry.secret ? "" : `, not ${JSON.stringify(raw)}`}`);
  }
  const checked = config as Config;
  if (faults.length === 0 && checked.maxQueuedRows < checked.maxRows) {
    faults.push("--max-queued-rows (or TDI_MAX_QUEUED_ROWS): must be at least --max-rows, or the largest request could never be admitted");
  }
  checked.maxClientRows ||= Math.max(Math.ceil(checked.maxQueuedRows / 2), checked.maxRows);
  if (faults.length === 0 && checked.maxClientRows < checked.maxRows) {
    faults.push("--max-client-rows (or TDI_MAX_CLIENT_ROWS): must be at least --max-rows, or the largest request could never be admitted");
  }
  if (faults.length === 0 && checked.deviceId > 0 && checked.device !== "auto" && !NUMBERED.includes(checked.device)) {
    faults.push(`--device-id (or TDI_DEVICE_ID): --device ${checked.device} has no numbers; only ${NUMBERED.join(", ")} have`);
  }
  if (faults.length === 0 && checked.maxRowsPerMinute > 0 && checked.maxRowsPerMinute < checked.maxRows) {
    faults.push("--max-rows-per-minute (or TDI_MAX_ROWS_PER_MINUTE): must be at least --max-rows, or the largest request could never be admitted");
  }
  if (faults.length === 0 && checked.requestTimeoutMs < checked.headersTimeoutMs) {
    faults.push("--request-timeout-ms (or TDI_REQUEST_TIMEOUT_MS): must be at least --headers-timeout-ms");
  }
  if (faults.length > 0) throw new ConfigError(faults.join("\n"));
  return { ...checked, modelsDir: resolve(checked.modelsDir), cacheDir: checked.cacheDir === "none" ? "" : resolve(checked.cacheDir) };
}

/** Defaults that depend on the machine, in words. */
const DERIVED: Partial<Record<string, string>> = { "models-dir": "models/ of this package", "cache-dir": "node_modules/.cache/text-diffusion-inference of this package", threads: "the cores, at most 8" };

export interface Setting {
  flag: string;
  env: string;
  /** In words. */
  fallback: string;
  help: string;
}

/** Every setting, for --help and the documents. */
export function settings(): Setting[] {
  return (Object.entries(FLAGS) as [string, Flag<unknown>][]).map(([name, { env, fallback, help }]) => ({
    flag: `--${name}`,
    env,
    fallback: DERIVED[name] ?? (String(fallback) || "none"),
    help,
  }));
}

/** The text of --help, from the same table as the parser. */
export function helpText(): string {
  const all = settings();
  const width = Math.max(...all.map(({ flag }) => flag.length));
  const lines = all.map(({ flag, env, fallback, help }) => `  ${flag.padEnd(width)}  ${help}\n  ${" ".repeat(width)}  ${env}, default ${fallback}`);
  return [
    "Text Diffusion Inference: serves POST /paraphrase and POST /summarize.",
    "",
    "Usage: npm start -- [flags]",
    "",
    ...lines,
    `  ${"--help".padEnd(width)}  this text`,
    `  ${"--version".padEnd(width)}  the version`,
    "",
    "A flag wins over its environment variable.",
  ].join("\n");
}
