import type { SolverName } from "../engine/contract.js";
import type { NoiseSchedule } from "./schedule.js";

/** One step of any solver: x <- cx x + c0 x0 + cPrevious x0Previous + cNoise noise + cSource source, at time t. */
export interface SolverStep {
  t: number;
  cx: number;
  c0: number;
  cPrevious: number;
  cNoise: number;
  /** Of the source's latents, place by place; 0 unless the row is led away from them (novelty.ts). */
  cSource: number;
  /** x0 = cSkip x + cOut F(x): (0, 1) where the network predicts x0 itself. */
  cSkip: number;
  cOut: number;
}

type Coefficients = [cx: number, c0: number, cPrevious: number, cNoise: number];

interface Point {
  t: number;
  alpha: number;
  mu: number;
  sigma: number;
  /** log(mu / sigma), half the log-SNR. */
  lambda: number;
}

function point(t: number, schedule: NoiseSchedule): Point {
  // Logarithms must be finite; a larger floor would show in the ancestral first step, whose cx is sqrt(alpha_t / alpha_s).
  const alpha = Math.min(1 - 1e-12, Math.max(1e-18, schedule.alpha(t)));
  const mu = Math.sqrt(alpha);
  const sigma = Math.sqrt(1 - alpha);
  return { t, alpha, mu, sigma, lambda: Math.log(mu / sigma) };
}

/** Euler steps of the reverse SDE (share 1) or of the probability flow (share 1/2), as in the released TEncDM. */
function euler(from: Point, to: Point, schedule: NoiseSchedule, share: number): Coefficients {
  const beta = schedule.beta(from.t);
  const dt = to.t - from.t;
  const pull = (share * beta) / from.sigma ** 2;
  return [1 + dt * (pull - 0.5 * beta), -dt * pull * from.mu, 0, share === 1 ? Math.sqrt(-beta * dt) : 0];
}

/** The DDPM posterior q(x_s | x_t, x0) (arXiv 2006.11239). */
function ancestral(from: Point, to: Point): Coefficients {
  const a = from.alpha / to.alpha;
  const left = 1 - from.alpha;
  return [(Math.sqrt(a) * (1 - to.alpha)) / left, (to.mu * (1 - a)) / left, 0, Math.sqrt(((1 - a) * (1 - to.alpha)) / left)];
}

/** DDIM with eta 0 (arXiv 2010.02502). */
function ddim(from: Point, to: Point): Coefficients {
  const cx = to.sigma / from.sigma;
  return [cx, to.mu - from.mu * cx, 0, 0];
}

/** DPM-Solver++(2M) (arXiv 2211.01095); its first step is of first order. */
function dpmpp(before: Point | undefined, from: Point, to: Point): Coefficients {
  const h = to.lambda - from.lambda;
  // A grid that goes on beyond the end of its schedule stays there; its steps change nothing.
  if (h === 0) return [1, 0, 0, 0];
  const scale = -to.mu * Math.expm1(-h);
  const cx = to.sigma / from.sigma;
  if (before === undefined) return [cx, scale, 0, 0];
  const r = (from.lambda - before.lambda) / h;
  return [cx, scale * (1 + 1 / (2 * r)), -scale / (2 * r), 0];
}

/**
 * Coefficients of every step between the times of a decreasing grid. The last step adds no noise, so what is returned
 * is the last mean. `precondition`: the network's output is v-like, x0 = sqrt(alpha) x + sqrt(1 - alpha) F.
 */
export function solverSteps(solver: SolverName, grid: readonly number[], schedule: NoiseSchedule, precondition: boolean): SolverStep[] {
  const points = grid.map((t) => point(t, schedule));
  return points.slice(0, -1).map((from, i) => {
    const to = points[i + 1]!;
    const [cx, c0, cPrevious, cNoise] = coefficients(solver, points[i - 1], from, to, schedule);
    const last = i === points.length - 2;
    return {
      t: from.t,
      cx,
      c0,
      cPrevious,
      cNoise: last ? 0 : cNoise,
      cSource: 0,
      cSkip: precondition ? from.mu : 0,
      cOut: precondition ? from.sigma : 1,
    };
  });
}

function coefficients(solver: SolverName, before: Point | undefined, from: Point, to: Point, schedule: NoiseSchedule): Coefficients {
  switch (solver) {
    case "euler_sde":
      return euler(from, to, schedule, 1);
    case "euler_ode":
      return euler(from, to, schedule, 0.5);
    case "ancestral":
      return ancestral(from, to);
    case "ddim":
      return ddim(from, to);
    case "renoise":
      return [0, to.mu, 0, to.sigma]; // Smoothie (arXiv 2505.18853): fresh noise around the prediction at every step
    case "dpmpp_2m":
      return dpmpp(before, from, to);
  }
}
