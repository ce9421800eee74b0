import type { Request } from "express";

/**
 * Who a request comes from, for fair shares: as yet the remote address. Behind a proxy that is the proxy's, so there
 * `--max-client-rows` has to be as large as the queue.
 */
export function clientOf(req: Request): string {
  return req.socket.remoteAddress ?? "";
}
