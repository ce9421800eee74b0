import { TdiError } from "../errors.js";

const [QUOTE, BACKSLASH, OPEN, CLOSE] = [0x22, 0x5c, 0x5b, 0x5d];
/** Bit that tells { and } from [ and ]. */
const BRACE = 0x20;

/** True when arrays and objects lie deeper in each other than `most`. Reads no further than that; of text that is no JSON it says something. */
export function deeperThan(text: string, most: number): boolean {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (inString) {
      if (code === BACKSLASH) i += 1;
      else if (code === QUOTE) inString = false;
    } else if (code === QUOTE) inString = true;
    else if ((code & ~BRACE) === OPEN) {
      depth += 1;
      if (depth > most) return true;
    } else if ((code & ~BRACE) === CLOSE) depth -= 1;
  }
  return false;
}

/** A JSON text of bounded depth. @param what it is, for the message, e.g. "The body" @throws TdiError malformed_json */
export function parseJson(text: string, maxDepth: number, what: string): unknown {
  if (deeperThan(text, maxDepth)) throw new TdiError("malformed_json", `${what} has arrays or objects over ${maxDepth} deep in each other.`);
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message quotes the text.
    throw new TdiError("malformed_json", `${what} is not valid JSON.`);
  }
}
