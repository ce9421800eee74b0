"""python -m tdi_training <command>; each command's --help says what it takes."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
from pathlib import Path

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def _weighted_sets(items: list[str]):
    """`folder` or `folder:weight` arguments -> [(PackedPairs, weight)]."""
    from .data import PackedPairs, weighted_paths

    return [(PackedPairs(folder), weight) for folder, weight in weighted_paths(items)]


def _config(args):
    from .config import load_config

    config = load_config(args.preset)
    changes = {k: getattr(args, k) for k in ("layer", "encoder") if getattr(args, k, None) is not None}
    for item in getattr(args, "set", None) or []:
        key, _, value = item.partition("=")
        changes[key] = json.loads(value)
    if "canvases" in changes:
        changes["canvases"] = tuple(changes["canvases"])
    return dataclasses.replace(config, **changes)


def _encoder(args, config):
    from .encoder import FrozenEncoder

    encoder = FrozenEncoder(config.encoder, config.layer)
    return encoder.load_statistics(Path(args.stats)) if args.stats else encoder


def _texts(data):
    """Validation sources and references: the original texts beside the packed ids."""
    from .data import read_texts

    return read_texts(Path(data))


def prepare_command(args):
    from .data import names, prepare
    from .encoder import load_tokenizer

    tokenizer = load_tokenizer(args.encoder)
    report = prepare([Path(p) for p in args.inputs], Path(args.out), tokenizer, args.source_length, args.target_length,
                     args.drop_above, args.max_rows, names(args.exclude_sources))
    print(json.dumps(report, indent=1))


def mine_command(args):
    from .encoder import load_tokenizer
    from .mine import mine

    bounds = [tuple(float(x) for x in text.split(",")) for text in (args.direct, args.mined)]
    print(json.dumps(mine([Path(p) for p in args.inputs], Path(args.out), load_tokenizer(args.encoder), bounds[0], bounds[1],
                          args.source_length, args.target_length, args.aligned), indent=1))


def statements_command(args):
    from .data import names
    from .encoder import load_tokenizer
    from .statements import statements

    print(json.dumps(statements([Path(p) for p in args.inputs], Path(args.out), load_tokenizer(args.encoder), args.rows, args.length,
                                names(args.exclude_sources)), indent=1))


def covered_command(args):
    from .data import PackedPairs
    from .coverage import keep_covered

    print(json.dumps(keep_covered(PackedPairs(Path(args.data)), Path(args.out), args.within, args.tokens, args.bigrams), indent=1))


def statistics_command(args):
    from .encoder import compute_statistics

    config = _config(args)
    compute_statistics(_encoder(args, config), [d for d, _ in _weighted_sets(args.data)], Path(args.out), rows=args.rows)


def encode_command(args):
    from .encoder import encode_folder

    encoder = _encoder(args, _config(args))
    for data, _ in _weighted_sets(args.data):
        encode_folder(encoder, data)


def train_decoder_command(args):
    from .train import load_denoiser
    from .train_decoder import train_decoder

    config = _config(args)
    train_decoder(config, _encoder(args, config), _weighted_sets(args.data), [d for d, _ in _weighted_sets(args.valid)],
                  Path(args.out), args.steps, args.batch, args.lr, not args.untied, minutes=args.minutes, seed=args.seed,
                  init=Path(args.init) if args.init else None, optimiser=args.optimiser, muon_lr=args.muon_lr,
                  denoiser=load_denoiser(Path(args.denoiser)) if args.denoiser else None, clean_share=args.clean_share, precision=args.precision)


def report_decoder_command(args):
    from .train_decoder import load_decoder, reconstruction_report

    encoder = _encoder(args, _config(args))
    decoder = load_decoder(Path(args.decoder), encoder)
    alphas = tuple(float(a) for a in args.alphas.split(","))
    print(json.dumps({d.folder.name: reconstruction_report(encoder, decoder, d, args.rows, alphas)
                      for d, _ in _weighted_sets(args.data)}, indent=1))


def train_command(args):
    import torch

    from .batches import BatchOptions
    from .data import weighted_paths
    from .train import TrainOptions, train

    torch.set_num_threads(args.threads)
    config = _config(args)
    fields = {f.name for f in dataclasses.fields(TrainOptions)}
    options = TrainOptions(**{k: v for k, v in vars(args).items() if k in fields and v is not None})
    if args.no_compile:
        options.compile = False
    widths = tuple(int(w) for w in args.widths.split(","))
    batches = BatchOptions(batch=args.batch, swap=not args.no_swap, slack=args.slack, source_dropout=args.source_dropout,
                           token_dropout=args.token_dropout, widths=widths,
                           crops=tuple(int(c) for c in args.crops.split(",") if c))
    sampling = {"steps": args.sample_steps, "solver": args.sample_solver, "guidance": args.sample_guidance, "clamp_steps": args.sample_clamp}
    train(config, Path(args.stats), weighted_paths(args.data), Path(args.valid),
          Path(args.decoder) if args.decoder else None, _texts(args.valid_text), Path(args.out), options, batches, args.device, sampling)


def generate_command(args):
    import torch

    from .data import PackedPairs
    from .metrics import scores
    from .sample import generate_rows
    from .train import load_denoiser
    from .train_decoder import load_decoder

    torch.set_num_threads(args.threads)
    model = load_denoiser(Path(args.checkpoint))
    config = model.config
    encoder = _encoder(args, config)
    decoder = load_decoder(Path(args.decoder), encoder)
    data = PackedPairs(Path(args.valid))
    sources, targets = _texts(args.valid_text)
    rows = list(range(min(args.rows, len(data))))
    texts = generate_rows(model, decoder, encoder, data, rows, config, steps=args.steps, solver=args.solver, grid=args.grid,
                          guidance=args.guidance, seed=args.seed, log_snr_range=(args.log_snr_min, args.log_snr_max), clamp_steps=args.clamp_steps,
                          novelty=args.novelty)
    if args.out:
        Path(args.out).write_text("".join(json.dumps({"src": sources[i], "trg": targets[i], "output": t}, ensure_ascii=False) + "\n"
                                          for i, t in zip(rows, texts)))
    print(json.dumps({"steps": args.steps, "solver": args.solver, "grid": args.grid, "guidance": args.guidance, "seed": args.seed,
                      **scores(texts, [targets[i] for i in rows], [sources[i] for i in rows])}))


def evaluate_command(args):
    from .evaluate import evaluate_server

    sources, targets = _texts(args.data)
    body = json.loads(args.body) if args.body else {}
    selector = json.loads(Path(args.selector).read_text()) if args.selector else None
    report = evaluate_server(args.url, args.task, sources[: args.rows], targets[: args.rows], body, args.batch,
                             Path(args.out) if args.out else None, selector)
    print(json.dumps(report, indent=1))


def score_command(args):
    """Scores of outputs made elsewhere: JSON lines of {src, trg, output}."""
    from .metrics import scores

    rows = [json.loads(line) for line in Path(args.file).read_text().splitlines()]
    print(json.dumps(scores([r["output"] for r in rows], [r["trg"] for r in rows], [r["src"] for r in rows]), indent=1))


def export_command(args):
    from .export import export_bundle

    export_bundle(args)


def recover_command(args):
    from .recover import recover

    recover(Path(args.bundle), _config(args), Path(args.out))


def answer_command(args):
    import torch

    from .answer import Answerer, answer_lines

    torch.set_num_threads(args.threads)
    answer_lines(Answerer(Path(args.bundle), _config(args), args.steps))


def shortlist_command(args):
    import numpy as np

    from .data import PackedPairs, weighted_paths
    from .shortlist import frequent_tokens, shortlist_size, write_shortlist

    models = Path(args.models)
    size, special = shortlist_size(models)
    counts = [(np.bincount(PackedPairs(folder).ids["trg"], minlength=size), int(least)) for folder, least in weighted_paths(args.targets)]
    print(json.dumps(write_shortlist(models, frequent_tokens(counts, special), args.bonus), indent=1))


def pack_vocabulary_command(args):
    from .packed import pack_vocabulary

    print(json.dumps(pack_vocabulary(Path(args.models)), indent=1))


def replace_decoder_command(args):
    from .replace import replace_decoder

    print(json.dumps(replace_decoder(Path(args.models), Path(args.decoder), Path(args.stats)), indent=1))


def lexicon_command(args):
    from .lexicon import build_lexicon

    files, weights = zip(*((Path(f), float(w or 1)) for f, _, w in (item.partition(":") for item in args.inputs)))
    print(json.dumps(build_lexicon(list(files), Path(args.out), weights=list(weights)), indent=1))


def words_command(args):
    from .encoder import load_tokenizer
    from .words import word_list

    inputs = [(Path(f), int(every or 1), int(least or 2)) for f, every, least in ((*item.split(":"), "", "")[:3] for item in args.inputs)]
    print(json.dumps(word_list(inputs, load_tokenizer(args.encoder), Path(args.out)), indent=1))


def bigrams_command(args):
    from .bigrams import bigrams
    from .data import weighted_paths
    from .encoder import load_tokenizer

    print(json.dumps(bigrams(weighted_paths(args.inputs), load_tokenizer(args.encoder), Path(args.out)), indent=1))


def profile_command(args):
    from .profile import profile

    print(json.dumps(profile(Path(args.graph), [int(n) for n in args.rows.split(",")], args.positions, args.source, args.threads, args.products), indent=1))


def card_command(args):
    """Write measured scores (or any other part) into a bundle's card; the graphs and their checksums stay."""
    path = Path(args.bundle) / "bundle.json"
    card = json.loads(path.read_text())
    for item in args.set:
        key, _, file = item.partition("=")
        target = card
        *parents, last = key.split(".")
        for name in parents:
            target = target.setdefault(name, {})
        target[last] = json.loads(Path(file).read_text()) if Path(file).exists() else json.loads(file)
    path.write_text(json.dumps(card, indent=1) + "\n")


def _model_arguments(p, stats=True):
    p.add_argument("--preset", default="compact-qqp", help="preset name or a JSON file of ModelConfig")
    p.add_argument("--encoder", help="path, hub id or all-MiniLM-L6-v2; overrides the preset's")
    p.add_argument("--layer", type=int, help="hidden state used as latent; overrides the preset's")
    p.add_argument("--set", action="append", help="another field of the preset, as name=JSON")
    if stats:
        p.add_argument("--stats", help="normaliser statistics (.npz) made by `statistics`")


def main() -> None:
    from .autoregressive_commands import add_autoregressive_commands
    from .commands import add_ablate_command, add_import_command, add_sweep_command
    from .robustness import add_robustness_command
    from .critic_commands import add_critic_commands
    from .infiller_commands import add_infiller_commands
    from .ranking_commands import add_ranking_commands
    from .rejection_commands import add_rejection_commands
    from .selection_commands import add_selection_commands

    parser = argparse.ArgumentParser(prog="tdi_training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    p = commands.add_parser("prepare", help="JSON lines -> packed token ids, with a report of what was cut")
    p.add_argument("inputs", nargs="+")
    p.add_argument("--out", required=True)
    p.add_argument("--encoder", default="all-MiniLM-L6-v2", help="whose tokenizer to use")
    p.add_argument("--source-length", type=int, default=48)
    p.add_argument("--target-length", type=int, default=32)
    p.add_argument("--drop-above", type=float, help="drop pairs whose sides have a ROUGE-L F1 above this")
    p.add_argument("--max-rows", type=int)
    p.add_argument("--exclude-sources", default="", help="comma-separated values of the rows' `source` field to leave out")
    p.set_defaults(run=prepare_command)

    p = commands.add_parser("mine", help="pairs within a similarity band, from a file's pairs and from its graph of duplicates")
    p.add_argument("inputs", nargs="+")
    p.add_argument("--out", required=True)
    p.add_argument("--encoder", default="all-MiniLM-L6-v2", help="whose tokenizer to use")
    p.add_argument("--direct", default="0.4,0.9", help="similarity bounds (ROUGE-L of tokens) of the file's own pairs")
    p.add_argument("--mined", default="0.5,0.9", help="bounds of pairs that share a duplicate")
    p.add_argument("--source-length", type=int, default=48)
    p.add_argument("--target-length", type=int, default=32)
    p.add_argument("--aligned", type=float, default=0.0, help="least share of tokens that stay in place, give or take one")
    p.set_defaults(run=mine_command)

    p = commands.add_parser("statements", help="sentences of {document, summary} files as pairs that keep them, for a paraphraser that has only questions")
    p.add_argument("inputs", nargs="+")
    p.add_argument("--out", required=True)
    p.add_argument("--encoder", default="all-MiniLM-L6-v2", help="whose tokenizer to use")
    p.add_argument("--rows", type=int, default=20000, help="of each file, about")
    p.add_argument("--length", type=int, default=32, help="tokens at most")
    p.add_argument("--exclude-sources", default="", help="comma-separated values of the rows' `source` field to leave out")
    p.set_defaults(run=statements_command)

    p = commands.add_parser("covered", help="from a prepared folder: the pairs whose target can be had from its source")
    p.add_argument("data")
    p.add_argument("--out", required=True)
    p.add_argument("--within", type=int, default=128)
    p.add_argument("--tokens", type=float, default=0.5)
    p.add_argument("--bigrams", type=float, default=0.1)
    p.set_defaults(run=covered_command)

    p = commands.add_parser("statistics", help="mean and std of the latents")
    _model_arguments(p)
    p.add_argument("data", nargs="+")
    p.add_argument("--out", required=True)
    p.add_argument("--rows", type=int, default=30000)
    p.set_defaults(run=statistics_command)

    p = commands.add_parser("encode", help="precompute the latents of prepared folders (float16)")
    _model_arguments(p)
    p.add_argument("data", nargs="+")
    p.set_defaults(run=encode_command)

    p = commands.add_parser("train-decoder", help="latents -> tokens, trained on corrupted latents")
    _model_arguments(p)
    p.add_argument("data", nargs="+", help="prepared folders, each optionally folder:weight")
    p.add_argument("--valid", nargs="+", required=True)
    p.add_argument("--out", required=True)
    p.add_argument("--steps", type=int, default=3000)
    p.add_argument("--minutes", type=float, help="stop after this long instead, the rate decaying by the clock")
    p.add_argument("--batch", type=int, default=64)
    p.add_argument("--lr", type=float, default=6e-4)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--init", help="decoder file to start from")
    p.add_argument("--optimiser", choices=("adamw", "muon"), default="muon")
    p.add_argument("--muon-lr", type=float, default=0.02)
    p.add_argument("--denoiser", help="denoiser checkpoint: half of the batches then hold its own predictions")
    p.add_argument("--clean-share", type=float, default=0.0, help="share of the batches without own predictions that are left clean; the others get the paper's corruption Cor")
    p.add_argument("--precision", choices=("bf16", "fp32"), default="fp32", help="of products: bf16 where this CPU multiplies it faster")
    p.add_argument("--untied", action="store_true", help="a vocabulary map of its own, as in the paper")
    p.set_defaults(run=train_decoder_command)

    p = commands.add_parser("report-decoder", help="token reconstruction at several noise levels, with and without the source")
    _model_arguments(p)
    p.add_argument("data", nargs="+", help="prepared validation folders")
    p.add_argument("--decoder", required=True)
    p.add_argument("--rows", type=int, default=2048)
    p.add_argument("--alphas", default="1,0.67,0.33,0.18", help="signal levels alpha; 1 = clean latents")
    p.set_defaults(run=report_decoder_command)

    p = commands.add_parser("train", help="train the denoiser; the same command again resumes it")
    _model_arguments(p)
    p.add_argument("data", nargs="+", help="prepared folders, each optionally folder:weight")
    p.add_argument("--valid", required=True, help="prepared validation folder")
    p.add_argument("--valid-text", required=True, help="the JSON lines that folder was made from")
    p.add_argument("--decoder", help="decoder file, for scores of generated text")
    p.add_argument("--out", required=True)
    p.add_argument("--minutes", type=float, default=60)
    p.add_argument("--batch", type=int, default=128)
    p.add_argument("--lr", type=float)
    p.add_argument("--muon-lr", type=float)
    p.add_argument("--optimiser", choices=("adamw", "muon"))
    p.add_argument("--warmup", type=int)
    p.add_argument("--ema", type=float)
    p.add_argument("--self-condition", type=float)
    p.add_argument("--unroll", type=float, help="share of batches noised from the model's own draft")
    p.add_argument("--read-weight", type=float, help="of the cross-entropy of the target's tokens as --decoder reads the prediction, beside the squared error")
    p.add_argument("--times", choices=("uniform", "logsnr", "mixed"))
    p.add_argument("--weight", choices=("none", "v"))
    p.add_argument("--autoencode", type=float)
    p.add_argument("--autoencode-floor", type=float)
    p.add_argument("--init", help="encoder, random, or a checkpoint to start from")
    p.add_argument("--adapter-rank", type=int, help="leave the weights of --init as they are and train low-rank adapters beside them")
    p.add_argument("--seed", type=int)
    p.add_argument("--checkpoint-minutes", type=float)
    p.add_argument("--validate-minutes", type=float)
    p.add_argument("--validate-rows", type=int)
    p.add_argument("--sample-steps", type=int, default=16)
    p.add_argument("--sample-solver", default="ddim")
    p.add_argument("--sample-guidance", type=float, default=0.0)
    p.add_argument("--sample-clamp", type=int, default=0, help="steps before the last that go on from re-encoded text")
    p.add_argument("--workers", type=int, help="processes of one thread that share the weights, each with a batch of its own")
    p.add_argument("--precision", choices=("bf16", "fp32"))
    p.add_argument("--no-compile", action="store_true")
    p.add_argument("--hot-shapes", help="canvas x source width shapes to compile, comma separated")
    p.add_argument("--no-swap", action="store_true")
    p.add_argument("--slack", type=int, default=4)
    p.add_argument("--source-dropout", type=float, default=0.1)
    p.add_argument("--token-dropout", type=float, default=0.1)
    p.add_argument("--crops", default="", help="source lengths to draw from a batch at a time, for long sources")
    p.add_argument("--widths", default="16,24,32,48", help="source widths that batches are padded to")
    p.add_argument("--device", default="cpu")
    p.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    p.set_defaults(run=train_command)

    p = commands.add_parser("generate", help="generate validation rows from a checkpoint and score them")
    _model_arguments(p)
    p.add_argument("--checkpoint", required=True)
    p.add_argument("--decoder", required=True)
    p.add_argument("--valid", required=True)
    p.add_argument("--valid-text", required=True)
    p.add_argument("--rows", type=int, default=500)
    p.add_argument("--steps", type=int, default=16)
    p.add_argument("--solver", default="ddim")
    p.add_argument("--grid", default="logsnr")
    p.add_argument("--log-snr-min", type=float, default=-9.0)
    p.add_argument("--log-snr-max", type=float, default=4.0)
    p.add_argument("--guidance", type=float, default=0.0)
    p.add_argument("--novelty", type=float, default=0.0, help="how far every step but the last is led away from the source's latents")
    p.add_argument("--clamp-steps", type=int, default=0, help="steps before the last that go on from re-encoded text")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    p.add_argument("--out", help="JSON lines of source, reference and output")
    p.set_defaults(run=generate_command)

    p = commands.add_parser("evaluate", help="score a running server over HTTP")
    p.add_argument("--url", default="http://127.0.0.1:8080")
    p.add_argument("--task", choices=("paraphrase", "summarize", "copy", "lead", "reference"), required=True,
                   help="copy, lead and reference score the trivial baselines on the same rows, without a server")
    p.add_argument("--selector", help="a bundle's selector.json: lead is then the sentence that it ranks first")
    p.add_argument("--data", required=True, help="JSON lines of pairs")
    p.add_argument("--rows", type=int, default=10**9)
    p.add_argument("--batch", type=int, default=16, help="texts per request")
    p.add_argument("--body", help="further request fields as JSON, e.g. '{\"steps\": 16, \"seed\": 1}'")
    p.add_argument("--out", help="JSON lines of source, reference and output")
    p.set_defaults(run=evaluate_command)

    p = commands.add_parser("score", help="score JSON lines of {src, trg, output}")
    p.add_argument("file")
    p.set_defaults(run=score_command)

    p = commands.add_parser("card", help="write scores or defaults into a bundle's card")
    p.add_argument("bundle")
    p.add_argument("--set", action="append", required=True, help="dotted.key=JSON or dotted.key=file.json")
    p.set_defaults(run=card_command)

    p = commands.add_parser("recover", help="checkpoints from a shipped bundle, to train on from")
    _model_arguments(p, stats=False)
    p.add_argument("bundle")
    p.add_argument("--out", required=True)
    p.set_defaults(run=recover_command)

    p = commands.add_parser("answer", help="a shipped bundle in PyTorch, JSON lines {id, text} in and out (for npm run bench -- --python)")
    _model_arguments(p, stats=False)
    p.add_argument("bundle")
    p.add_argument("--steps", type=int, help="the bundle's default unless given")
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.set_defaults(run=answer_command)

    p = commands.add_parser("lexicon", help="case and accent lexicon from training texts")
    p.add_argument("inputs", nargs="+", help="JSON lines, each optionally file:weight")
    p.add_argument("--out", required=True)
    p.set_defaults(run=lexicon_command)

    p = commands.add_parser("profile", help="where a denoiser's time goes on this CPU, beside what its matrix products could reach")
    p.add_argument("graph", help="a bundle's denoiser.onnx")
    p.add_argument("--rows", default="1,4,16")
    p.add_argument("--positions", type=int, default=16)
    p.add_argument("--source", type=int, default=16)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--products", choices=("int8", "fp32"), default="int8", help="what int8 weights are multiplied in, as the server's flag")
    p.set_defaults(run=profile_command)

    p = commands.add_parser("bigrams", help="counts of token pairs in running text, by which the server tells a slip")
    p.add_argument("inputs", nargs="+", help=".jsonl.gz files, each optionally file:n to read every nth line")
    p.add_argument("--encoder", default="all-MiniLM-L6-v2", help="whose tokenizer counts")
    p.add_argument("--out", required=True)
    p.set_defaults(run=bigrams_command)

    p = commands.add_parser("words", help="words of several tokens that there are, by which the server tells a broken one")
    p.add_argument("inputs", nargs="+", help=".jsonl.gz files, each file:n:least: words that occur so often in every nth line")
    p.add_argument("--encoder", default="all-MiniLM-L6-v2", help="whose tokenizer cuts them")
    p.add_argument("--out", required=True)
    p.set_defaults(run=words_command)

    p = commands.add_parser("shortlist", help="a faster decoder for a models folder: frequent tokens and the source's own")
    p.add_argument("models", help="models folder, whose bundles share a decoder; their cards are rewritten")
    p.add_argument("--targets", nargs="+", required=True, help="prepared folders as folder:least, the times that a token must occur in one's targets")
    p.add_argument("--bonus", type=float, default=0.0, help="nats for the source's rare tokens")
    p.set_defaults(run=shortlist_command)

    p = commands.add_parser("pack-vocabulary", help="a models folder whose shortlist and infiller keep their words as floats once loaded: both anew, kept in int8")
    p.add_argument("models", help="models folder, whose bundles share both; their cards are rewritten")
    p.set_defaults(run=pack_vocabulary_command)

    p = commands.add_parser("replace-decoder", help="a decoder trained further, into a models folder: its graph, its shortlist anew, the cards")
    p.add_argument("models", help="models folder, whose bundles share a decoder; their cards are rewritten")
    p.add_argument("--decoder", required=True, help="of train-decoder")
    p.add_argument("--stats", required=True)
    p.set_defaults(run=replace_decoder_command)

    p = commands.add_parser("export", help="write a model bundle (ONNX), with a parity check against PyTorch")
    _model_arguments(p)
    p.add_argument("--checkpoint", required=True)
    p.add_argument("--decoder", required=True)
    p.add_argument("--task", choices=("paraphrase", "summarize"), required=True)
    p.add_argument("--out", required=True, help="bundle folder")
    p.add_argument("--shared", help="folder beside it for what several bundles use (encoder, tokenizer, lexicon)")
    p.add_argument("--replace-shared", action="store_true", help="overwrite shared files; then export every bundle again")
    p.add_argument("--loop", action="store_true", help="also write the denoiser as a loop of steps, for devices where a call is dear")
    p.add_argument("--card", help="JSON file merged into bundle.json: name, provenance, defaults, scores")
    p.add_argument("--selector", help="sentence selector (`fit-selector`) of a summary bundle")
    p.add_argument("--scorer", help="its sentence scorer (`fit-scorer`), in place of the selector's own weights")
    p.add_argument("--acceptability", help="judge of how a paraphrase bundle's candidates read (`fit-acceptability`)")
    p.add_argument("--ranker", help="ranker of a paraphrase bundle's candidates (`fit-ranker`)")
    p.add_argument("--critic", help="a graph that tells whether a text reads as a rewording of its source would (`fit-critic`)")
    p.add_argument("--infiller", help="what fills the blanks of a revised candidate (`fit-infiller`)")
    p.add_argument("--text-tokens", type=int, default=1024, help="tokens a text may have where a selector chooses what is read")
    p.add_argument("--precision", choices=("fp32", "int8", "int8-weights"), default="int8-weights",
                   help="int8-weights: stored as int8, and multiplied as the server is told (--products); int8: multiplied in int8 with a scale per token")
    p.set_defaults(run=export_command)

    add_import_command(commands)
    add_sweep_command(commands)
    add_ablate_command(commands)
    add_autoregressive_commands(commands)
    add_selection_commands(commands)
    add_ranking_commands(commands)
    add_infiller_commands(commands)
    add_critic_commands(commands)
    add_rejection_commands(commands)
    add_robustness_command(commands)

    args = parser.parse_args()
    import torch

    # Sharp attention leaves denormal numbers in the backward pass, which the CPU handles in microcode: a step of a trained
    # denoiser took about twice as long with them. Threads and backward passes inherit this from here; workers set it again.
    torch.set_flush_denormal(True)
    args.run(args)


if __name__ == "__main__":
    main()
