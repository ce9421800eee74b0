import type { FieldProblem, Problem } from "./types.js";

/** The server's answer was a problem document (RFC 9457), or no answer that this client understands. */
export class TdiApiError extends Error {
  override readonly name = "TdiApiError";

  constructor(
    /** HTTP status; of an error inside a stream, the one it would have had. */
    readonly status: number,
    /** The document; undefined when something between here and the server answered. */
    readonly problem: Problem | FieldProblem | undefined,
    /** Seconds of the Retry-After header. */
    readonly retryAfterSeconds?: number,
  ) {
    super(problem ? `${problem.title}: ${problem.detail}` : `The server answered ${status} without a problem document.`);
  }

  /** The stable code of the error, such as "queue_full". */
  get code(): Problem["code"] | undefined {
    return this.problem?.code;
  }

  /** The faults of a 422, each naming its field. */
  get faults(): FieldProblem["errors"] {
    return this.problem && "errors" in this.problem ? this.problem.errors : [];
  }

  /** The same request may do better later. */
  get retryable(): boolean {
    return this.status === 429 || this.status === 503;
  }
}

/** The error that a reply other than 2xx stands for. */
export async function errorOf(response: Response): Promise<TdiApiError> {
  const isProblem = response.headers.get("content-type")?.startsWith("application/problem+json") ?? false;
  const problem = isProblem ? ((await response.json()) as Problem) : (await response.body?.cancel(), undefined);
  return new TdiApiError(response.status, problem, retryAfter(response.headers.get("retry-after")));
}

/** Seconds of a Retry-After header, given as seconds or as a date (RFC 9110, section 10.2.3). */
function retryAfter(header: string | null): number | undefined {
  if (header === null) return undefined;
  if (/^\d+$/.test(header)) return Number(header);
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, (date - Date.now()) / 1000);
}
