/** The client of the HTTP API, for Node.js and browsers: `import { createClient } from "text-diffusion-inference/client"`. */
export { createClient, type BatchRequest, type CallOptions, type Client, type ClientOptions, type StreamEvent, type Task } from "./client.js";
export { TdiApiError } from "./errors.js";
export type { RetryOptions } from "./retry.js";
export type * from "./types.js";
