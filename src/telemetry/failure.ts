/** Where something unexpected went wrong, as plain data that can be logged and cross a process boundary. */
export interface FailureTrace {
  /** Kind of the error. */
  error: string;
  /** The innermost frames of the stack. */
  frames: string[];
  /** The error's own message. A library may quote in it the text it choked on, so it is for the debug level alone. */
  message: string;
}

const MOST_FRAMES = 8;

export function traceOf(error: unknown): FailureTrace {
  if (!(error instanceof Error)) return { error: typeof error, frames: [], message: String(error) };
  const frames = (error.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line));
  return { error: error.name, frames: frames.slice(0, MOST_FRAMES).map((line) => line.trim()), message: error.message };
}
