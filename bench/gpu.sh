#!/usr/bin/env bash
# Every measurement of a GPU in one command:
#   bench/gpu.sh                 CUDA: step time against batch size, roofline, PyTorch eager and compiled, paraphrases and summaries a second
#   bench/gpu.sh webgpu          the same by WebGPU, which the npm package has (PyTorch still by CUDA)
#   bench/gpu.sh cpu --quick     its CPU form, small: shows that it runs; its figures are not to be quoted
# PyTorch is left out where PYTHON (python3 when unset) has no torch, onnx and numpy. Writes bench/results/gpu-<device>.{md,json,svg}.
set -euo pipefail
cd "$(dirname "$0")/.."
device="${1:-cuda}"
python="${PYTHON:-python3}"
batches=1,16,64,256,1024 calls=20 requests=1000 size=8192 torch=cuda modes=eager,compiled
if [ "$device" = cpu ]; then batches=1,4,16 calls=10 requests=200 size=2048 torch=cpu; fi
# Compiling takes longer than all the rest of a small run.
if [ "${2:-}" = --quick ]; then batches=1,2 calls=2 requests=4 size=512 modes=eager; fi

nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null || true
result="$(mktemp)"
trap 'rm -f "$result"' EXIT
beside=()
if "$python" -c "import numpy, onnx, torch" 2>/dev/null; then
  PYTHONPATH=training "$python" bench/pytorch_step.py --bundle models/qqp-paraphrase --device "$torch" --modes "$modes" --threads 1 --batches "$batches" --calls "$calls" --size "$size" > "$result"
  beside=(--pytorch "$result")
fi
node scripts/tool.mjs bench/gpu --device "$device" --batches "$batches" --calls "$calls" --requests "$requests" --name "gpu-$device" ${beside[@]+"${beside[@]}"}
