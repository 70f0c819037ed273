"""The weights of parts: finding the folder of a base checkpoint, reading its files, filling a module.

Only safetensors are read; nothing in a checkpoint is executed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open

from gartk.errors import CheckpointError
from gartk.io import cache_dir, read_json_object

if TYPE_CHECKING:
    from torch import Tensor, nn


CONFIG_NAME = "config.json"
WEIGHTS_NAME = "model.safetensors"
TOKENIZER_NAME = "tokenizer"
PUBLISHED = Path(__file__).resolve().parents[1] / "assets" / "published"
_STRUCTURE_ONLY: ContextVar[bool] = ContextVar("structure_only", default=False)
_HUB_FILES = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja"]


@contextmanager
def structure_only() -> Iterator[None]:
    """Inside, parts are built on torch's meta device: structure and sizes, no weights, no downloads.

    A checkpoint that is not at hand is described by the published config that gartk ships of it, where
    it ships one; its tokenizer is then stood in for.
    """
    token = _STRUCTURE_ONLY.set(True)
    try:
        with torch.device("meta"):
            yield
    finally:
        _STRUCTURE_ONLY.reset(token)


def is_structure_only() -> bool:
    """Whether ``structure_only`` is in force."""
    return _STRUCTURE_ONLY.get()


def resolve_pretrained(name: str) -> Path:
    """Find the folder of a base checkpoint: a local folder, GARTK_CACHE, the hub's cache or the hub.

    ``org/name`` is looked for as ``$GARTK_CACHE/models/org/name``. With ``structure_only`` the shipped
    folder of the published config serves too, and the hub is not asked.

    Raises: CheckpointError that says what to get and where to put it.
    """
    local = Path(name).expanduser()
    if local.is_dir():
        return local
    if local.is_absolute() or name.startswith(".") or local.is_file():
        raise CheckpointError(
            f"There is no folder {local}. Give the folder that holds {CONFIG_NAME} and the weights."
        )
    cached = cache_dir() / "models" / name
    if cached.is_dir():
        return cached
    published = PUBLISHED / name.replace("/", "--")
    if is_structure_only() and published.is_dir():
        return published
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=_HUB_FILES))
    except Exception as error:
        raise CheckpointError(
            f"The checkpoint {name!r} is neither a local folder nor at {cached}, and the hub did not give it"
            f" ({type(error).__name__}). Download {name} (config.json, *.safetensors, tokenizer files) into"
            f" {cached}, or set its path with --cfg-options, e.g. model.vision.pretrained=/path/to/folder"
            " (the same for model.connector and model.llm)."
        ) from error


def read_hf_config(pretrained: str) -> dict[str, Any]:
    """Read the config.json of a base checkpoint.

    Raises: CheckpointError if it is missing or not a JSON object.
    """
    return read_config(resolve_pretrained(pretrained) / CONFIG_NAME)


def read_config(path: Path) -> dict[str, Any]:
    """Return a JSON object of a checkpoint folder; configs of the hub hold Infinity now and then.

    Raises: CheckpointError naming the file.
    """
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist. Is this a complete checkpoint folder?")
    return read_json_object(path, error=CheckpointError, non_finite=True)


def weight_files(folder: Path) -> list[Path]:
    """List the safetensors of a folder, through its index where it is sharded.

    Raises: CheckpointError if there are none (pickled .bin weights are not read) or shards are missing.
    """
    index = folder / f"{WEIGHTS_NAME}.index.json"
    if (folder / WEIGHTS_NAME).is_file():
        files = [folder / WEIGHTS_NAME]  # others beside it hold the same weights in another layout
    elif index.is_file():
        names = read_config(index).get("weight_map")
        if not isinstance(names, dict):
            raise CheckpointError(f"{index} has no 'weight_map' of weights to files.")
        files = [folder / Path(str(name)).name for name in sorted(set(names.values()))]
    else:
        files = sorted(folder.glob("*.safetensors"))
    missing = [file.name for file in files if not file.is_file()]
    if missing or not files:
        raise CheckpointError(
            f"{folder} lacks {', '.join(missing) if missing else 'safetensors weights'}."
            " Only safetensors are read; convert other formats first."
        )
    return files


def has_weights(pretrained: str, prefixes: Sequence[str]) -> bool:
    """Return whether a base checkpoint has any weight under any of the prefixes."""
    keys = [key for file in weight_files(resolve_pretrained(pretrained)) for key in _keys(file)]
    return any(key.startswith(tuple(prefixes)) for key in keys)


def load_prefixed(
    module: nn.Module, pretrained: str, prefixes: Sequence[str], *, optional: Sequence[str] = ()
) -> None:
    """Load one part of a base checkpoint: the weights under the first prefix that occurs.

    ``optional`` names weights that may be absent (tied ones). The tensors are cast to the
    module's dtype.

    Raises: CheckpointError naming missing, unexpected or misshapen weights.
    """
    if is_structure_only():
        return
    folder = resolve_pretrained(pretrained)
    files = weight_files(folder)
    keys = {key: file for file in files for key in _keys(file)}
    prefix = next((p for p in prefixes if any(key.startswith(p) for key in keys)), None)
    if prefix is None:
        raise CheckpointError(f"{folder} has no weights under any of {', '.join(prefixes)}.")
    state = _read({key: file for key, file in keys.items() if key.startswith(prefix)})
    own = {key[len(prefix) :]: value for key, value in state.items()}
    assign(module, own, str(folder), optional=optional)


def assign(
    module: nn.Module,
    state: dict[str, Tensor],
    source: str,
    *,
    optional: Sequence[str] = (),
    named: Callable[[str], str] = str,
) -> None:
    """Copy weights into a module; every weight must be there, once, in the right shape.

    ``named`` gives the name of a weight in the file, for errors.

    Raises: CheckpointError naming what does not fit.
    """
    own = module.state_dict()
    missing = sorted(map(named, set(own) - set(state) - set(optional)))
    extra = sorted(map(named, set(state) - set(own)))
    shapes = [
        f"{named(key)}: {tuple(state[key].shape)} in the file, {tuple(own[key].shape)} in the model"
        for key in sorted(set(own) & set(state))
        if own[key].shape != state[key].shape
    ]
    if missing or extra or shapes:
        parts = [("missing", missing), ("unexpected", extra), ("of another shape", shapes)]
        text = "; ".join(f"{what}: {', '.join(names[:5])} ({len(names)})" for what, names in parts if names)
        raise CheckpointError(f"The weights of {source} do not fit the model. {text}.")
    for key, value in state.items():
        own[key].copy_(value)


def is_under(name: str, modules: Sequence[str]) -> bool:
    """Whether a weight belongs to one of some modules, given by their dotted names."""
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def read_tensors(files: Sequence[Path]) -> dict[str, Tensor]:
    """Read all tensors of some safetensors files, in the types that they are stored in.

    Raises: CheckpointError naming a file that is missing or damaged.
    """
    for file in files:
        if not file.is_file():
            raise CheckpointError(f"{file} does not exist. Give the folder that holds {file.name}.")
    return _read({key: file for file in files for key in _keys(file)})


def _keys(file: Path) -> list[str]:
    try:
        with safe_open(file, framework="pt") as handle:
            return list(handle.keys())
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{file} is not a readable safetensors file: {error}") from error


def _read(keys: dict[str, Path]) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}
    for file in sorted(set(keys.values())):
        with safe_open(file, framework="pt") as handle:
            for key in sorted(k for k, f in keys.items() if f == file):
                state[key] = handle.get_tensor(key)
    return state


def own_state(model: nn.Module) -> dict[str, Tensor]:
    """The model's weights with every shared tensor once, contiguous, under its first name."""
    state: dict[str, Tensor] = {}
    seen: set[tuple[int, tuple[int, ...]]] = set()
    for key, value in model.state_dict().items():
        identity = (value.data_ptr(), tuple(value.shape))
        if value.numel() and identity in seen:
            continue
        seen.add(identity)
        state[key] = value.detach().cpu().contiguous()
    return state


def main_type(state: Mapping[str, Tensor]) -> torch.dtype:
    """Return the floating-point type that most numbers are stored in."""
    sizes: dict[torch.dtype, int] = {}
    for value in state.values():
        if value.is_floating_point():
            sizes[value.dtype] = sizes.get(value.dtype, 0) + value.numel()
    return max(sizes, key=lambda dtype: sizes[dtype]) if sizes else torch.float32
