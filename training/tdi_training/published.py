"""The files of a published TEncDM, read and checked: nothing is taken on trust, every refusal says what is wrong where.

The layout: a checkpoint {model, ema, ..} whose `ema` is a nameless list in `named_parameters()` order, a decoder file
{"decoder": state_dict}, and statistics/encodings-*-{mean,std}.pt. Sizes are read from the weights; config.json adds what
no weight tells: the number of attention heads, the schedule's d, the lengths.
"""

from __future__ import annotations

import dataclasses
import json
import pickle
from pathlib import Path

import torch

from .config import ModelConfig

# Published names -> this package's, within one BERT block.
_BLOCK = {
    "attention.self.query": "attention.query", "attention.self.key": "attention.key", "attention.self.value": "attention.value",
    "attention.output.dense": "attention.output", "attention.output.LayerNorm": "attention.norm",
    "crossattention.self.query": "crossattention.query", "crossattention.self.key": "crossattention.key",
    "crossattention.self.value": "crossattention.value", "crossattention.output.dense": "crossattention.output",
    "crossattention.output.LayerNorm": "crossattention.norm",
    "intermediate.dense": "up", "output.dense": "down", "output.LayerNorm": "norm",
}
_SHOWN = 12  # names listed in one message


class Refusal(SystemExit):
    """A file that cannot be imported; the message names the file and the reason. Exit status 1."""


@dataclasses.dataclass
class Published:
    """A published model under this package's names, all float32 and finite."""

    config: ModelConfig
    denoiser: dict[str, torch.Tensor]  # the EMA weights
    decoder: dict[str, torch.Tensor]
    mean: torch.Tensor  # [H]
    std: torch.Tensor  # [H], all positive
    vocabulary: int
    notes: list[str]


def load_plain(path: Path):
    """A pickle of tensors and plain containers. Refusal for anything else: nothing in it is ever executed."""
    if not path.is_file():
        raise Refusal(f"{path.name}: there is no such file in {path.parent.name or '.'}")
    try:
        return torch.load(path, weights_only=True, map_location="cpu")
    except pickle.UnpicklingError as error:
        reason = next((line for line in str(error).splitlines() if "nsupported" in line or "GLOBAL" in line), str(error).splitlines()[0])
        raise Refusal(f"{path.name}: holds something other than tensors and plain containers, which is not loaded: {reason.strip()}") from error
    except (RuntimeError, EOFError, ValueError) as error:
        raise Refusal(f"{path.name}: is not a file that torch.save wrote: {str(error).splitlines()[0]}") from error


def listed(names) -> str:
    names = list(names)
    rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + rest


def only_file(folder: Path, pattern: str, option: str) -> Path:
    """The one file of a pattern, or a Refusal that says which option chooses."""
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        what = "no file" if not found else f"{len(found)} files ({listed(p.name for p in found)})"
        raise Refusal(f"{folder.name}: {what} named {pattern}; give {option}")
    return found[0]


def finite(name: str, tensors: dict[str, torch.Tensor]) -> None:
    bad = [key for key, value in tensors.items() if not bool(torch.isfinite(value).all())]
    if bad:
        raise Refusal(f"{name}: {len(bad)} weights are not finite: {listed(bad)}")


def _is_parameter(value) -> bool:
    return isinstance(value, torch.Tensor) and value.is_floating_point()


def name_ema(checkpoint: dict, name: str) -> dict[str, torch.Tensor]:
    """The nameless EMA list under the names of the raw weights, which lie in the same order (integer buffers, such as
    `position_ids`, are no parameters and have no entry). Refusal on a wrong count, or a shape out of place."""
    for key in ("model", "ema"):
        if not isinstance(checkpoint, dict) or key not in checkpoint:
            raise Refusal(f'{name}: has no entry "{key}"; a published checkpoint is a dict of model, ema, ..')
    ema = checkpoint["ema"]
    shadow = ema.get("shadow_params") if isinstance(ema, dict) else ema
    if not isinstance(shadow, (list, tuple)) or not all(isinstance(value, torch.Tensor) for value in shadow):
        raise Refusal(f'{name}: "ema" holds no list of tensors (shadow_params)')
    raw = {key: value for key, value in checkpoint["model"].items() if _is_parameter(value)}
    if len(shadow) != len(raw):
        raise Refusal(f'{name}: the EMA list has {len(shadow)} tensors, "model" has {len(raw)} parameters')
    for i, ((key, weight), average) in enumerate(zip(raw.items(), shadow)):
        if weight.shape != average.shape:
            raise Refusal(f"{name}: EMA tensor {i} has shape {list(average.shape)}, but {key} at its place has {list(weight.shape)}")
    return {key: average.float() for key, average in zip(raw, shadow)}


def _blocks(weights: dict[str, torch.Tensor], prefix: str) -> int:
    return len({key[len(prefix):].split(".")[0] for key in weights if key.startswith(prefix)})


def _block_names(prefix: str, ours: str) -> dict[str, str]:
    return {f"{prefix}.{theirs}.{kind}": f"{ours}.{mine}.{kind}" for theirs, mine in _BLOCK.items() for kind in ("weight", "bias")}


def refuse_without_cross_attention(name: str, weights: dict[str, torch.Tensor], prefixes: list[str]) -> None:
    missing = [key for prefix in prefixes for key in _block_names(prefix, "") if ".crossattention." in key and key not in weights]
    if missing:
        raise Refusal(f"{name}: has no cross-attention, so it ignores its source (the published code builds it only where "
                      f"config.is_decoder is set). {len(missing)} missing keys: {', '.join(missing)}")


def _rename(name: str, weights: dict[str, torch.Tensor], names: dict[str, str]) -> dict[str, torch.Tensor]:
    missing = [key for key in names if key not in weights]
    unknown = [key for key in weights if key not in names]
    if missing:
        raise Refusal(f"{name}: {len(missing)} missing keys: {', '.join(missing)}")
    if unknown:
        raise Refusal(f"{name}: {len(unknown)} keys that this architecture does not have: {listed(unknown)}")
    return {names[key]: value for key, value in weights.items()}


def denoiser_weights(name: str, weights: dict[str, torch.Tensor], self_condition: bool) -> tuple[dict[str, torch.Tensor], int]:
    """EMA weights under this package's names, and the number of blocks."""
    half, rest = (_blocks(weights, f"encoder.{part}_blocks.") for part in ("input", "output"))
    if half == 0 or half != rest:
        raise Refusal(f"{name}: has {half} input and {rest} output blocks; the long skips need as many of each")
    layers = 2 * half
    places = [f"encoder.input_blocks.{i}" for i in range(half)] + [f"encoder.output_blocks.{i}" for i in range(half)]
    refuse_without_cross_attention(name, weights, places)
    names = {"position_embeddings.weight": "position_embeddings.weight"}
    for i, place in enumerate(places):
        names |= _block_names(place, f"blocks.{i}")
    for kind in ("weight", "bias"):
        names |= {f"time_emb.{i}.{kind}": f"time_mlp.{i}.{kind}" for i in (0, 2)}
        names |= {f"encoder.time_layers.{i}.{kind}": f"time_proj.{i}.{kind}" for i in range(layers)}
        if self_condition:
            names |= {f"encoder.self_cond_layers.{i}.{kind}": f"self_cond_proj.{i}.{kind}" for i in range(layers)}
    ours = _rename(name, weights, names)
    if not self_condition:  # a denoiser built without it adds nothing, which is what zero weights do
        hidden = weights["position_embeddings.weight"].shape[1]
        for i in range(layers):
            ours |= {f"self_cond_proj.{i}.weight": torch.zeros(hidden, hidden), f"self_cond_proj.{i}.bias": torch.zeros(hidden)}
    return ours, layers


def decoder_weights(path: Path) -> tuple[dict[str, torch.Tensor], int]:
    """The decoder's weights under this package's names, and the number of its blocks."""
    saved = load_plain(path)
    weights = saved.get("decoder") if isinstance(saved, dict) else None
    if not isinstance(weights, dict):
        raise Refusal(f'{path.name}: has no entry "decoder"')
    weights = {key: value.float() for key, value in weights.items() if _is_parameter(value)}
    layers = _blocks(weights, "blocks.")
    refuse_without_cross_attention(path.name, weights, [f"blocks.{i}" for i in range(layers)])
    names = {f"fc.{kind}": f"head.{kind}" for kind in ("weight", "bias")}
    for i in range(layers):
        names |= _block_names(f"blocks.{i}", f"blocks.{i}")
    return _rename(path.name, weights, names), layers


def _statistic(path: Path, hidden: int) -> torch.Tensor:
    value = load_plain(path)
    if not _is_parameter(value) or value.numel() != hidden:
        raise Refusal(f"{path.name}: is not one vector of {hidden} numbers, the width of the denoiser")
    finite(path.name, {path.name: value})
    return value.float().flatten()


def _wanted(settings: dict, key: str, source: str):
    if key not in settings:
        raise Refusal(f'{source}: has no "{key}", which no weight tells')
    return settings[key]


def _configure(settings: dict, source: str, denoiser: dict, layers: int, decoder: dict, decoder_layers: int) -> ModelConfig:
    """The shape of the model, from its weights; what the settings say of it must agree."""
    positions, hidden = denoiser["position_embeddings.weight"].shape
    ffn = denoiser["blocks.0.up.weight"].shape[0]
    found = {"hidden_size": hidden, "num_hidden_layers": layers, "intermediate_size": ffn, "max_position_embeddings": positions,
             "vocab_size": decoder["head.weight"].shape[0], "decoder_layers": decoder_layers}
    for key, value in found.items():
        if settings.get(key, value) != value:
            raise Refusal(f"{source}: {key} is {settings[key]}, but the weights have {value}")
    heads = _wanted(settings, "num_attention_heads", source)
    if hidden % heads:
        raise Refusal(f"{source}: num_attention_heads is {heads}, which does not divide the width {hidden}")
    target, width = (_wanted(settings, key, source) for key in ("target_length", "source_length"))
    if target > positions:
        raise Refusal(f"{source}: target_length is {target}, but there are {positions} position embeddings")
    return ModelConfig(
        encoder="", layer=-1, hidden=hidden, heads=heads, ffn=ffn, layers=layers, decoder_layers=decoder_layers, max_positions=positions,
        schedule="tan", schedule_d=float(_wanted(settings, "tan_d", source)), output_projection=False, precondition=False, source_positions=False,
        copy_head=False, dropout=0.1,
        canvases=(target,), source_length=width, layer_norm_eps=float(settings.get("layer_norm_eps", 1e-12)))


def read_published(folder: Path, checkpoint: Path | None = None, decoder: Path | None = None, config: Path | None = None) -> Published:
    """Reads a folder of the published layout. Refusal (with the reason, and the keys at fault) when it cannot be imported."""
    checkpoint = checkpoint or folder / "conditional.pth"
    config = config or folder / "config.json"
    if not config.is_file():
        raise Refusal(f"{config.name}: there is no such file in {folder.name}; it must give num_attention_heads, tan_d, "
                      "target_length and source_length (--config names another)")
    settings = json.loads(config.read_text())
    saved = load_plain(checkpoint)
    named = name_ema(saved, checkpoint.name)
    finite(f"{checkpoint.name} (model)", {key: saved["model"][key] for key in named})
    finite(f"{checkpoint.name} (ema)", named)
    denoiser, layers = denoiser_weights(checkpoint.name, named, settings.get("use_self_cond", True))
    decoder = decoder or only_file(folder, "decoder-*.pth", "--decoder")
    ours, decoder_layers = decoder_weights(decoder)
    finite(decoder.name, ours)
    shape = _configure(settings, config.name, denoiser, layers, ours, decoder_layers)
    statistics = folder / "statistics"
    mean, std = (_statistic(only_file(statistics, f"encodings-*-{kind}.pt", "one pair of statistics"), shape.hidden) for kind in ("mean", "std"))
    if not bool((std > 0).all()):
        raise Refusal("statistics: a standard deviation is not positive")
    return Published(shape, denoiser, ours, mean, std, ours["head.weight"].shape[0], _disagreements(folder, saved, named, decoder, mean, std))


def _disagreements(folder: Path, saved: dict, named: dict, decoder: Path, mean, std) -> list[str]:
    """What the layout holds twice and differs in; which of the two was taken."""
    notes = []
    own, taken = saved.get("decoder"), load_plain(decoder)["decoder"]
    if isinstance(own, dict) and not _equal(own, taken):
        notes.append(f"the checkpoint carries another decoder than {decoder.name}, which was taken")
    normaliser = saved.get("encoder") if isinstance(saved.get("encoder"), dict) else {}
    carried = {kind: normaliser[f"enc_normalizer.enc_{kind}"].flatten() for kind in ("mean", "std") if f"enc_normalizer.enc_{kind}" in normaliser}
    if carried and not _equal(carried, {"mean": mean, "std": std}):
        notes.append("the checkpoint carries other statistics than statistics/, which were taken")
    listing = folder / "ema-named.safetensors"
    if listing.is_file():
        from safetensors.torch import load_file

        if not _equal({key.removeprefix("ema."): value for key, value in load_file(listing).items()}, named):
            notes.append(f"{listing.name} names other weights than the nameless EMA list, which was taken")
    return notes


def _equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key].float(), b[key].float()) for key in a)
