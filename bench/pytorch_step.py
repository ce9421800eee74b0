"""One denoising step of a shipped bundle's weights in PyTorch, eager and compiled, and what the device can do at most; JSON on standard
output. Run by bench/gpu.sh, with training/ on the path."""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import time
from pathlib import Path

import torch

from tdi_training.config import ModelConfig, load_config
from tdi_training.denoiser import Denoiser
from tdi_training.recover import named_weights


def milliseconds(call, device: str, calls: int) -> float:
    """Median over `calls`, after two that are not counted."""
    times = []
    for _ in range(calls + 2):
        began = time.perf_counter()
        call()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return 1000 * statistics.median(times[2:])


def peaks(device: str, size: int, calls: int) -> tuple[float, float]:
    """(TFLOP/s of a square fp32 product, GB/s of a copy, both directions counted)."""
    a, b = (torch.randn(size, size, device=device) for _ in range(2))
    source = torch.empty(size * size * 4, device=device)
    target = torch.empty_like(source)
    product = milliseconds(lambda: a @ b, device, calls)
    copy = milliseconds(lambda: target.copy_(source), device, calls)
    return 2 * size**3 / product / 1e9, 2 * source.numel() * 4 / copy / 1e6


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--preset", default="compact-qqp")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--batches", default="1,16,64,256,1024")
    parser.add_argument("--canvas", type=int, default=32)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--modes", default="eager,compiled")
    parser.add_argument("--calls", type=int, default=20)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--size", type=int, default=8192, help="of the product that the peak is measured with")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    # As ONNX Runtime's CUDA provider computes fp32 products by default.
    torch.backends.cuda.matmul.allow_tf32 = True
    logging.getLogger("torch").setLevel(logging.ERROR)
    config: ModelConfig = load_config(args.preset)
    files = json.loads((args.bundle / "bundle.json").read_text())["files"]
    weights: dict[str, torch.Tensor] = {}
    for role in ("denoiser", "condition"):
        weights |= named_weights(args.bundle / files[role]["path"], "denoiser")
    model = Denoiser(config)
    model.load_state_dict(weights)
    model.eval().to(args.device)
    tflops, gbs = peaks(args.device, args.size, max(3, args.calls // 4))
    steps: dict[str, dict[str, float]] = {}
    for name in args.modes.split(","):
        step = torch.compile(model.step, dynamic=False) if name == "compiled" else model.step
        steps[name] = {}
        for batch in map(int, args.batches.split(",")):
            x, previous = (torch.randn(batch, args.canvas, config.hidden, device=args.device) for _ in range(2))
            kv = model.keys_values(torch.randn(batch, args.width, config.hidden, device=args.device))
            t = torch.full((batch,), 0.5, device=args.device)
            steps[name][str(batch)] = milliseconds(lambda: step(x, t, kv, None, previous), args.device, args.calls)
    device = torch.cuda.get_device_name() if args.device == "cuda" else f"{torch.get_num_threads()} threads"
    print(json.dumps({"torch": torch.__version__, "device": device, "peak_tflops": tflops, "peak_gbs": gbs, "steps_ms": steps}))


if __name__ == "__main__":
    main()
