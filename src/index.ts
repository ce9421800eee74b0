/** The sampler as a library, without the server: `import { createSampler } from "text-diffusion-inference"`. */
export type { BundleSummary, Candidate, GenerateOptions, GenerateReply, SolverName, StepEvent, Task, TextResult } from "./engine/contract.js";
export { TdiError, type ErrorCode } from "./errors.js";
export { createSampler, type SampleOptions, type Sampler, type SamplerOptions } from "./library.js";
export { BundleError } from "./model/bundle.js";
