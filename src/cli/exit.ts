/** How `tdi` ends. */
export const EXIT = {
  ok: 0,
  /** At least one text failed, or a bundle is not whole; what could be done has been done. */
  failed: 1,
  /** The command line is wrong; nothing was done. */
  usage: 2,
  /** The server cannot be reached or the bundle not be loaded. */
  unavailable: 3,
  /** Ctrl-C. */
  interrupted: 130,
} as const;

/** Ends a command with a message for the user. */
export class CliError extends Error {
  override readonly name = "CliError";

  constructor(
    message: string,
    readonly code: number,
  ) {
    super(message);
  }
}

export function usage(message: string): CliError {
  return new CliError(`${message} --help tells more.`, EXIT.usage);
}

/** A number of the command line. @throws CliError */
export function number(value: string | undefined, name: string, min: number, max = Infinity): number | undefined {
  if (value === undefined) return undefined;
  const parsed = Number(value);
  if (!(parsed >= min && parsed <= max)) throw usage(`--${name} must be a number ${max === Infinity ? `of at least ${min}` : `from ${min} to ${max}`}.`);
  return parsed;
}

/** An integer of the command line. @throws CliError */
export function integer(value: string | undefined, name: string, min: number): number | undefined {
  if (value === undefined) return undefined;
  const parsed = Number(value);
  if (!/^\d+$/.test(value) || parsed < min) throw usage(`--${name} must be an integer of at least ${min}, not ${JSON.stringify(value)}.`);
  return parsed;
}
