import { readFileSync, unwatchFile, watchFile } from "node:fs";
import type { Logger } from "../telemetry/logger.js";
import { findKey, parseKeyFile, type ApiKey } from "./keys.js";

/** Milliseconds between two looks at the key file. Looking, not being told: a mounted secret changes by way of symbolic links. */
const LOOK_MS = 1_000;

/** The keys that are let in: those given at the start, and those of a file that is read again when it changes. */
export class KeyRing {
  #fromFile: ApiKey[] = [];

  private constructor(
    private readonly given: readonly ApiKey[],
    private readonly file: string,
    private readonly logger: Logger,
  ) {}

  /**
   * Opens the ring; undefined when no keys are configured at all. A file without keys is configured: it lets nobody in.
   * @param file path of the key file, "" for none
   * @throws Error when the file cannot be read, KeyError when it is not valid
   */
  static open(given: readonly ApiKey[], file: string, logger: Logger): KeyRing | undefined {
    if (given.length === 0 && file === "") return undefined;
    const ring = new KeyRing(given, file, logger);
    if (file !== "") {
      ring.#fromFile = parseKeyFile(readFileSync(file, "utf8"));
      watchFile(file, { interval: LOOK_MS, persistent: false }, ring.#reread);
    }
    return ring;
  }

  get size(): number {
    return this.given.length + this.#fromFile.length;
  }

  /** The key that was presented, if it is let in at present. */
  find(presented: string): ApiKey | undefined {
    return findKey([...this.given, ...this.#fromFile], presented);
  }

  /** Looks at the file no more. */
  close(): void {
    if (this.file !== "") unwatchFile(this.file, this.#reread);
  }

  /** A file that is half written or wrong must not lock everybody out: the keys before it stay. */
  readonly #reread = (): void => {
    try {
      this.#fromFile = parseKeyFile(readFileSync(this.file, "utf8"));
      this.logger.info({ keys: this.size }, "API keys read again");
    } catch (error) {
      this.logger.error({ detail: (error as Error).message }, "the API key file cannot be used; the keys before it stay");
    }
  };
}
