import { ConfigError, helpText, parseConfig } from "./config.js";
import { VERSION } from "./project.js";
import { serve, type Service } from "./serve.js";
import { createLogger, type Logger } from "./telemetry/logger.js";

/**
 * The whole life of the server process: flags, start, signals, exit code. 0: it was asked to end and did; 1: it could not
 * start; 2: a flag is wrong; 130 or 143: a second signal came while it was draining.
 * @param worker entry file of the engine process, the service's own when absent
 */
export async function run(args: string[], env: NodeJS.ProcessEnv, worker?: URL): Promise<void> {
  const config = readConfig(args, env);
  if (!config) return;
  const logger = createLogger(config.logLevel);
  let service: Service;
  try {
    service = await serve(config, logger, worker);
  } catch (error) {
    if (error instanceof ConfigError) {
      console.error(error.message);
      process.exit(2);
    }
    logger.fatal({ detail: (error as Error).message }, "cannot listen; see --host and --port");
    process.exit(1);
  }
  endOnSignals(service, logger);
  logger.info({ host: config.host, port: service.port, version: VERSION }, "listening");
  try {
    await service.loaded;
  } catch (error) {
    logger.fatal({ detail: (error as Error).message }, "cannot load the model bundles");
    process.exit(1);
  }
}

function readConfig(args: string[], env: NodeJS.ProcessEnv) {
  try {
    const config = parseConfig(args, env);
    if (typeof config !== "string") return config;
    console.log(config === "help" ? helpText() : VERSION);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    console.error(error.message);
    process.exitCode = 2;
  }
  return undefined;
}

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/** One Ctrl-C reaches this process twice under npm, from the terminal and from npm; within this time both count as one. */
const SAME_SIGNAL_MS = 500;

/** The first signal drains; the second ends the process at once, and the engine process with it. */
function endOnSignals(service: Service, logger: Logger): void {
  let drainingSince: number | undefined;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      if (drainingSince !== undefined) {
        if (performance.now() - drainingSince > SAME_SIGNAL_MS) process.exit(EXIT_CODES[signal]);
        return;
      }
      drainingSince = performance.now();
      logger.info({ signal }, "draining");
      void service.close().then(() => {
        logger.info("stopped");
        process.exit(0);
      });
    });
  }
}
