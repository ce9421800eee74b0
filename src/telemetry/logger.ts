import { pino, type Logger } from "pino";

export type { Logger };

/** Characters of lines kept while standard output takes none (a full disk); what comes on top of them is lost. */
const MOST_UNWRITTEN = 1_048_576;

/**
 * JSON lines on standard output, written at once so that none is lost at exit. Callers pass no user text. A log that cannot be
 * written is said once on standard error and stops nothing else.
 */
export function createLogger(level: string): Logger {
  const destination = pino.destination({ dest: 1, sync: true, maxLength: MOST_UNWRITTEN });
  destination.once("error", (error: Error) => console.error(`the log cannot be written: ${error.message}`));
  destination.on("error", () => undefined);
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  );
}
