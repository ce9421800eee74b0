import { pino, type Logger } from "pino";

export type { Logger };

/** JSON lines on standard output, written at once so that none is lost at exit. Callers pass no user text. */
export function createLogger(level: string): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    pino.destination({ dest: 1, sync: true }),
  );
}
