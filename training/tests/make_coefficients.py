"""python tests/make_coefficients.py (from training/): writes ../tests/fixtures/solver-coefficients.json, by which `npm test`
holds the server's solvers, schedules and grids to the training code's."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch  # noqa: E402

from tdi_training.sample import SOLVERS, solver_coefficients  # noqa: E402
from tdi_training.schedule import NoiseSchedule, time_grid  # noqa: E402

OUT = Path(__file__).parents[2] / "tests" / "fixtures" / "solver-coefficients.json"
SCHEDULES = (("tan", 9.0), ("tan", 7.0), ("sqrt", 9.0), ("cosine", 9.0))
GRIDS = ("linear", "logsnr", "logit_normal")
STEPS, RANGE = 4, (-6.0, 3.0)


def main() -> None:
    torch.set_default_dtype(torch.float64)
    rows = []
    for name, d in SCHEDULES:
        schedule = NoiseSchedule(name, d)
        for grid in GRIDS:
            times = time_grid(STEPS, schedule, grid, RANGE).double()
            for solver in SOLVERS:
                steps = [[round(value, 10) for value in step] for step in solver_coefficients(solver, schedule, times)]
                rows.append({"schedule": name, "d": d, "grid": grid, "solver": solver, "steps": steps})
    OUT.write_text(json.dumps(rows, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
