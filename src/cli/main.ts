import { NAME, VERSION } from "../project.js";
import { CliError, EXIT } from "./exit.js";

export interface Context {
  args: string[];
  env: NodeJS.ProcessEnv;
  /** Aborted by Ctrl-C. */
  signal: AbortSignal;
}

interface Command {
  summary: string;
  load: () => Promise<(context: Context) => Promise<number>>;
}

const COMMANDS: Record<string, Command> = {
  serve: { summary: "serve the bundles over HTTP", load: async () => (await import("./serve.js")).serveCommand },
  paraphrase: { summary: "say texts in other words", load: async () => (await import("./generate.js")).generateCommand("paraphrase") },
  summarize: { summary: "say the gist of texts", load: async () => (await import("./generate.js")).generateCommand("summarize") },
  bench: { summary: "measure a server's latency and throughput", load: async () => (await import("./bench.js")).benchCommand },
  bundle: { summary: "inspect, verify or pull a model bundle", load: async () => (await import("./bundle.js")).bundleCommand },
  key: { summary: "make an API key", load: async () => (await import("./key.js")).keyCommand },
};

const HELP = `${NAME} ${VERSION}

Usage: tdi <command> [options]

Commands
${Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(11)} ${summary}`).join("\n")}

tdi <command> --help tells more of one.

Exit codes: 0 done, 1 a text or a check failed, 2 wrong command line, 3 no server or bundle, 130 interrupted.`;

/** Runs one command. @returns the exit code */
export async function main(args: string[], env: NodeJS.ProcessEnv): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === "--help" || name === "-h" || name === "help") {
    console.log(HELP);
    return name === undefined ? EXIT.usage : EXIT.ok;
  }
  if (name === "--version") {
    console.log(VERSION);
    return EXIT.ok;
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!command) {
    console.error(`tdi: there is no command ${JSON.stringify(name)}. tdi --help lists them.`);
    return EXIT.usage;
  }
  const interrupt = new AbortController();
  // The server has its own way to end on signals.
  if (name !== "serve") process.once("SIGINT", () => interrupt.abort());
  try {
    return await (await command.load())({ args: rest, env, signal: interrupt.signal });
  } catch (error) {
    if (interrupt.signal.aborted) return EXIT.interrupted;
    if (error instanceof CliError) console.error(`tdi ${name}: ${error.message}`);
    else if ((error as NodeJS.ErrnoException).code?.startsWith("ERR_PARSE_ARGS")) console.error(`tdi ${name}: ${(error as Error).message.split(". ")[0]}. --help lists the options.`);
    else throw error;
    return error instanceof CliError ? error.code : EXIT.usage;
  }
}
