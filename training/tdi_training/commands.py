"""Arguments of the commands import, sweep and ablate; what they run is imported only when it is run."""

from __future__ import annotations

import importlib
import os


def _lazily(module: str, function: str):
    return lambda args: getattr(importlib.import_module(f".{module}", __package__), function)(args)


def add_import_command(commands) -> None:
    p = commands.add_parser("import", help="a published TEncDM (checkpoint, decoder, statistics) -> a bundle")
    p.add_argument("folder", help="holds conditional.pth, decoder-*.pth, statistics/ and config.json")
    p.add_argument("--out", required=True, help="bundle folder")
    p.add_argument("--checkpoint", help="another file than conditional.pth")
    p.add_argument("--decoder", help="the decoder file, where the folder holds several")
    p.add_argument("--config", help="another file than config.json")
    p.add_argument("--encoder", help="the diffusion encoder: path or hub id; without it the bundle is for conformance only")
    p.add_argument("--tokenizer", help="path or hub id; the encoder's own unless given")
    p.add_argument("--layer", type=int, default=-1, help="hidden state used as latent; the paper's is the last")
    p.add_argument("--task", choices=("paraphrase", "summarize"), default="paraphrase")
    p.add_argument("--name", default="imported-tencdm")
    p.add_argument("--revision", default="1")
    p.add_argument("--licence", default="not stated")
    p.add_argument("--steps", type=int, default=50, help="default steps of the bundle")
    p.set_defaults(run=_lazily("importer", "import_command"))


def add_sweep_command(commands) -> None:
    p = commands.add_parser("sweep", help="solver x grid x steps through a running server, with paired bootstrap intervals")
    p.add_argument("--url", required=True)
    p.add_argument("--task", choices=("paraphrase", "summarize"), default="paraphrase")
    p.add_argument("--data", required=True, help="JSON lines of pairs")
    p.add_argument("--out", required=True, help="folder of outputs, sweep.json and sweep.md; the same command again goes on")
    p.add_argument("--solvers", default="euler_sde,euler_ode,ancestral,ddim,renoise,dpmpp_2m")
    p.add_argument("--grids", default="linear,logsnr,logit_normal")
    p.add_argument("--steps", default="4,8,16,32,50")
    p.add_argument("--rows", type=int, default=10**9)
    p.add_argument("--batch", type=int, default=16, help="texts per request")
    p.add_argument("--body", help="further request fields as JSON")
    p.add_argument("--samples", type=int, default=1000, help="bootstrap samples")
    p.set_defaults(run=_lazily("sweep", "sweep_command"))


def add_ablate_command(commands) -> None:
    p = commands.add_parser("ablate", help="the ablation axes of TEncDM on a small budget a cell: one table and one plot")
    p.add_argument("data", nargs="+", help="prepared folders, each optionally folder:weight")
    p.add_argument("--valid", required=True, help="prepared validation folder")
    p.add_argument("--valid-text", required=True, help="the JSON lines that folder was made from")
    p.add_argument("--out", required=True, help="folder of every cell, ablate.json, ablate.md and ablate.png; the same command again goes on")
    p.add_argument("--axes", default="encoder,decoder,schedule,self-conditioning")
    p.add_argument("--preset", default="compact-qqp", help="the cell that every axis departs from")
    p.add_argument("--minutes", type=float, default=10, help="training of one denoiser")
    p.add_argument("--decoder-minutes", type=float, default=3, help="training of one decoder")
    p.add_argument("--layers", default="-2,0,2,4,6", help="hidden states of the encoder axis; -2 word embeddings, 0 embedding layer")
    p.add_argument("--self-conditioning-steps", default="5,10,20,50,100,200")
    p.add_argument("--batch", type=int, default=64)
    p.add_argument("--statistics-rows", type=int, default=10000)
    p.add_argument("--rows", type=int, default=256, help="validation rows to generate")
    p.add_argument("--precision", choices=("bf16", "fp32"), default="fp32", help="of products: bf16 where this CPU multiplies it faster")
    p.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    p.set_defaults(run=_lazily("ablate", "ablate_command"))
