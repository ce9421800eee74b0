"""python tests/make_fixture.py (from training/): writes ../tests/fixtures/conformance, the small folder that `npm test` checks.

Random weights and vectors from tests/reference.py, graphs from `import`. Among the vectors lie a few of the weights, as
they stand in the graphs: the test damages those and must then see the check fail.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from reference import write_folder
from safetensors.torch import load_file, save_file

OUT = Path(__file__).parents[2] / "tests" / "fixtures" / "conformance"
# A matrix of each kind: graph, and the published name of its values.
PROBES = {"denoiser": ("encoder.input_blocks.1.attention.self.value", "encoder.output_blocks.0.crossattention.self.query",
                       "encoder.output_blocks.1.intermediate.dense", "encoder.time_layers.2", "encoder.self_cond_layers.3"),
          "condition": ("encoder.output_blocks.1.crossattention.self.value",),
          "decoder": ("blocks.1.attention.output.dense", "fc")}


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "published"
        write_folder(folder)
        bundle = OUT / "bundle"
        shutil.rmtree(OUT, ignore_errors=True)
        bundle.mkdir(parents=True)
        subprocess.run([sys.executable, "-m", "tdi_training", "import", str(folder), "--out", str(bundle), "--name", "tiny-tencdm"], check=True)
        weights = {**{k.removeprefix("ema."): v for k, v in load_file(folder / "ema-named.safetensors").items()},
                   **torch.load(folder / "decoder-bert-128-transformer-conditional.pth", weights_only=True)["decoder"]}
        probes = {}
        for graph, names in PROBES.items():
            held = [numpy_helper.to_array(item).copy() for item in onnx.load(str(bundle / f"{graph}.onnx")).graph.initializer]
            for name in names:
                wanted = weights[f"{name}.weight"]
                probes[f"probe.{graph}.{name}"] = next(
                    value for value in map(torch.from_numpy, (a for a in held if a.ndim == 2))
                    if (value.shape == wanted.shape and torch.equal(value, wanted)) or (value.T.shape == wanted.shape and torch.equal(value.T, wanted)))
        save_file({**load_file(folder / "vectors.safetensors"), **probes}, OUT / "vectors.safetensors")
        shutil.copyfile(folder / "config.json", OUT / "config.json")
    print(sum(path.stat().st_size for path in OUT.rglob("*") if path.is_file()), "bytes")


if __name__ == "__main__":
    main()
