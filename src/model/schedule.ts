/**
 * Noise schedules (variance preserving): x_t = sqrt(alpha) x0 + sqrt(1 - alpha) eps, with t in (0, 1].
 * Source: TEncDM (arXiv 2402.19097) and its released code, whose "cosine" is a linear variance-preserving schedule.
 */
export interface NoiseSchedule {
  readonly name: string;
  /** Squared signal level at t, 0..1. */
  alpha(t: number): number;
  /** Drift rate beta(t) of the forward process, for the Euler solvers. */
  beta(t: number): number;
  /** The t at which log(alpha / (1 - alpha)) has this value. */
  timeOfLogSnr(logSnr: number): number;
}

const B0 = 0.1;
const B1 = 20;

function tan(d: number): NoiseSchedule {
  return {
    name: "tan",
    alpha: (t) => 1 / (1 + d * d * Math.tan((Math.PI * t) / 2) ** 2),
    beta(t) {
      const theta = (Math.PI * Math.min(t, 0.95)) / 2;
      const tan2 = Math.tan(theta) ** 2;
      return (Math.PI * d * d * Math.tan(theta) * (1 + tan2)) / (1 + d * d * tan2);
    },
    timeOfLogSnr: (logSnr) => (2 / Math.PI) * Math.atan(Math.exp(-logSnr / 2) / d),
  };
}

const SQRT: NoiseSchedule = {
  name: "sqrt",
  alpha: (t) => clamp(1 - Math.sqrt(t + 1e-4), 0, 1),
  beta(t) {
    const root = Math.sqrt(t + 1e-4);
    // Past the pole at root = 1 the released code clips the negative rate to 0.
    const rate = 1 / (2 * root * (1 - root));
    return clamp(rate, 0, 1000);
  },
  timeOfLogSnr: (logSnr) => clamp((1 - sigmoid(logSnr)) ** 2 - 1e-4, 0, 1),
};

const COSINE: NoiseSchedule = {
  name: "cosine",
  alpha: (t) => Math.exp(2 * (-0.25 * t * t * (B1 - B0) - 0.5 * t * B0)),
  beta: (t) => B0 + (B1 - B0) * t,
  timeOfLogSnr(logSnr) {
    const logMean = 0.5 * Math.log(sigmoid(logSnr));
    return (-0.5 * B0 + Math.sqrt(0.25 * B0 * B0 - (B1 - B0) * logMean)) / (0.5 * (B1 - B0));
  },
};

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/** A schedule by its name in a bundle; `d` is tan-d's parameter. RangeError for an unknown name. */
export function noiseSchedule(name: string, d: number): NoiseSchedule {
  if (name === "tan") return tan(d);
  if (name === "sqrt") return SQRT;
  if (name === "cosine") return COSINE;
  throw new RangeError(`unknown noise schedule "${name}"`);
}
