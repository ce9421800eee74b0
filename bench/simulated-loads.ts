/** A call of a large GPU: 1.5 ms, and 0.02 ms for each row in it, of which it takes up to 1,024. */
export const GPU = { callMs: 1.5, rowMs: 0.02 } as const;
export const GPU_ROWS = 1024;

/** About what a core with AVX-512 takes for a call of the embedded paraphraser: 10 ms for one row, less for each in company. */
export const CPU_CORE = { callMs: 2.5, rowMs: 7 } as const;

/** Mixed step counts, 4 to 50; 14.3 in the mean. */
export const STEPS = [
  { share: 0.4, steps: 4 },
  { share: 0.25, steps: 8 },
  { share: 0.2, steps: 16 },
  { share: 0.15, steps: 50 },
] as const;

/** Shares of three shapes, as of questions of three widths. */
export const SHAPES = [0.5, 0.3, 0.2] as const;
