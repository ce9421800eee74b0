import { join } from "node:path";
import { parseConfig, type Config } from "../config.js";
import { createClient, TdiApiError } from "../client/index.js";
import type { BundleSummary, GenerateReply, Task } from "../engine/contract.js";
import { samplesOf } from "../engine/samples.js";
import { TdiError } from "../errors.js";
import { createSampler } from "../library.js";
import { BundleError, findBundle } from "../model/bundle.js";
import { checkAgainstBundle, createRequestParser, inClientTerms } from "../routes/schema.js";
import { CliError, EXIT } from "./exit.js";

/** Where texts are worked on: a server, or a bundle loaded into this process. */
export interface Generator {
  /** Requests that make sense at a time. */
  concurrency: number;
  /** @throws RequestFault when this request cannot be done, CliError when none can */
  generate(body: unknown, signal: AbortSignal): Promise<Pick<GenerateReply, "model" | "results" | "used">>;
}

/** What was wrong with one request, as a line of output tells it. */
export class RequestFault extends Error {
  override readonly name = "RequestFault";

  constructor(readonly problem: { code: string; detail: string; errors?: { field: string; message: string }[] }) {
    super(problem.detail);
  }
}

/** @param key the API key that the server asks for */
export function remoteGenerator(task: Task, url: string, key: string | undefined): Generator {
  const client = createClient({ baseUrl: url, retries: 5, headers: key ? { authorization: `Bearer ${key}` } : {} });
  return {
    concurrency: 4,
    async generate(body, signal) {
      try {
        return await client[task](body as Parameters<typeof client.paraphrase>[0], { signal });
      } catch (error) {
        if (signal.aborted || !(error instanceof TdiApiError || error instanceof TypeError)) throw error;
        if (error instanceof TypeError) throw new CliError(`no answer from ${url}.`, EXIT.unavailable);
        const { problem, faults } = error;
        if (!problem) throw new CliError(error.message, EXIT.unavailable);
        throw new RequestFault({ code: problem.code, detail: problem.detail, ...(faults.length > 0 && { errors: faults }) });
      }
    },
  };
}

/** @param bundleDir a bundle's folder; when absent, the one of the models folder that serves the task */
export async function localGenerator(task: Task, bundleDir: string | undefined, env: NodeJS.ProcessEnv): Promise<Generator> {
  const config = parseConfig([], env) as Config;
  const parse = createRequestParser(config);
  const sampler = await open(async () => createSampler(bundleDir ?? join(config.modelsDir, await findBundle(config.modelsDir, task)), { threads: config.threads, products: config.products, ...(config.cacheDir && { cacheDir: config.cacheDir }) }));
  const summary: BundleSummary = sampler.summary;
  if (summary.task !== task) throw new CliError(`the bundle ${summary.model} is for the task ${summary.task}.`, EXIT.usage);
  return {
    concurrency: 1,
    async generate(body, signal) {
      let single = false;
      try {
        const request = parse(body);
        single = request.single;
        checkAgainstBundle(request, summary, config);
        return await sampler.sample(request.texts, { ...request.options, bestOf: samplesOf(request.options, summary, config.maxCandidates), signal });
      } catch (error) {
        if (!(error instanceof TdiError)) throw error;
        const { code, detail, faults } = inClientTerms(error, single);
        throw new RequestFault({ code, detail, ...(faults && { errors: faults }) });
      }
    },
  };
}

async function open<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof BundleError) throw new CliError(`${error.message}.`, EXIT.unavailable);
    throw error;
  }
}
