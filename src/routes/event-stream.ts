import type { Response } from "express";

/**
 * A reply as server-sent events (WHATWG HTML, section 9.2). It begins with the first event, or with the first heartbeat when
 * nothing has happened for that long; until then an error can still be an ordinary reply with its own status.
 */
export class EventStream {
  #heartbeat: NodeJS.Timeout;
  #begun = false;

  /** @param heartbeatMs milliseconds of silence after which a comment tells proxies that the connection lives */
  constructor(
    private readonly res: Response,
    heartbeatMs: number,
  ) {
    this.#heartbeat = setInterval(() => this.#write(": heartbeat\n\n"), heartbeatMs);
    res.once("close", () => clearInterval(this.#heartbeat));
  }

  /** The status and headers are sent; an error can only be an event now. */
  get begun(): boolean {
    return this.#begun;
  }

  /** Sends what a later event replaces; skipped while the client reads slower than the engine works, so nothing piles up. */
  snapshot(event: string, data: unknown): void {
    if (!this.res.writableNeedDrain) this.#event(event, data);
  }

  /** Sends the last event and ends the reply. */
  end(event: string, data: unknown): void {
    this.#event(event, data);
    clearInterval(this.#heartbeat);
    this.res.end();
  }

  /** Leaves the reply to somebody else; only before it has begun. */
  abandon(): void {
    clearInterval(this.#heartbeat);
  }

  #event(event: string, data: unknown): void {
    // JSON has no line breaks of its own, so one data line holds it.
    this.#write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
    this.#heartbeat.refresh();
  }

  #write(chunk: string): void {
    if (this.res.destroyed || this.res.writableEnded) return;
    if (!this.#begun) {
      this.#begun = true;
      this.res.status(200).set({
        "content-type": "text/event-stream",
        // A proxy that compresses or buffers would hold the events back.
        "cache-control": "no-store, no-transform",
        "x-accel-buffering": "no",
      });
      this.res.vary("accept");
    }
    this.res.write(chunk);
  }
}
