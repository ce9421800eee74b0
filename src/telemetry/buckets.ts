/** Upper bounds of every histogram, with the reason for each list. Seconds, rows, steps or tokens. */

/**
 * A whole request: a paraphrase in a few steps takes tens of milliseconds, many candidates of a long summary take seconds,
 * and the default deadline ends a request at 60 s.
 */
export const REQUEST_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Waiting: about nothing on an idle server, up to the deadline on a full one; the first bound tells the two apart. */
export const QUEUE_SECONDS = [0.001, 0.01, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Encoding the sources: about 1 ms for a question, tens for an article of 256 tokens, more for 32 of them. */
export const CONDITIONING_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/** One denoising step: 7 ms for one row of 32 positions on two cores, 180 ms for 16 rows, seconds for 64 rows of a large bundle. */
export const STEP_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12];

/** Reading the samples of a text: about the cost of one step for a single one, some tenths of a second with estimates and revisions. */
export const DECODING_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/** Rows in one denoiser call: powers of two, from a CPU's few to the thousand that fill a large GPU. */
export const STEP_ROWS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

/** Share of the rows that a call may have: an eighth where calls run nearly empty, and the top where more load only waits. */
export const OCCUPANCY = [0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1];

/** Steps in one call: one on CPUs, a few where a call is dear. */
export const CALL_STEPS = [1, 2, 4, 8, 16];

/** Steps of a request: the break-even points against autoregressive decoding (4 to 15), the usual 20 to 50, the limit of 200. */
export const REQUEST_STEPS = [1, 2, 4, 8, 10, 15, 20, 30, 50, 100, 200];

/** Tokens of a source: a question has about a dozen, what is selected of an article up to 64, an article without sentences 256; larger bundles read 512. */
export const SOURCE_TOKENS = [4, 8, 16, 32, 64, 128, 192, 256, 384, 512];

/** Tokens of a result: bounded by the canvas, whose usual sizes these are. */
export const OUTPUT_TOKENS = [4, 8, 12, 16, 24, 32, 48, 64, 128];
