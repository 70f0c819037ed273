"""Writing a model in the layout of the authors' release, so that their code reads it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from gartk.checkpoints.checkpoint import SHARD_SIZE, Checkpoint, Content, copy_small_files, write_config
from gartk.checkpoints.release_reader import (
    CHAT,
    EMBED_WEIGHT,
    HEAD_WEIGHT,
    MASK_PLANES,
    MASK_WEIGHT,
    NO_PROMPT,
    RELEASE,
    RELEASE_COMPAT,
    RELEASE_MODEL_TYPE,
    REPLAY_SIZE,
    ReleaseConfig,
    to_release,
)
from gartk.errors import CheckpointError
from gartk.models.llms.causal_lm import load_tokenizer
from gartk.models.weights import CONFIG_NAME, read_config

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

    from gartk.models.region_vlm import RegionVLM

# The parts of the release's model, as the config of a RegionVLM names them.
_KINDS = {
    "vision": "PerceptionLMVision",
    "connector": "PerceptionLMConnector",
    "llm": "CausalLM",
    "prompt_encoder": "MaskPrompt",
    "region_extractor": "RoIAlignReplay",
}


def write_release(content: Content, folder: Path, *, max_shard_size: str = SHARD_SIZE) -> list[str]:
    """Write a folder in the release's layout; give notes on what its code will do otherwise.

    A model that came from the release gets that folder's own config, tokenizer and processor files back
    as long as they are true of it; the weights are written as they are.

    Raises: CheckpointError naming the part that the layout has no place for.
    """
    from huggingface_hub import save_torch_state_dict

    model = content.model
    _check(model)
    state = {to_release(name): value for name, value in content.state.items()}
    _check_names(state)
    state[MASK_WEIGHT] = _three_planes(state[MASK_WEIGHT])
    folder.mkdir(parents=True, exist_ok=True)
    kept = _still_true(content)
    tokenizer = model.llm.tokenizer
    if kept is not None:
        copy_small_files(kept, folder)
    else:
        _add_no_prompt(state, tokenizer, model.llm.tokens.prompts)
        tokenizer.save_pretrained(folder)
        write_config(folder / CONFIG_NAME, _config(model, content.tied, state))
        write_config(folder / "preprocessor_config.json", _processor(model))
    save_torch_state_dict(state, folder, max_shard_size=max_shard_size, metadata={"format": "pt"})
    return _notes(model, kept is not None)


def _check(model: RegionVLM) -> None:
    """Refuse what the release's code cannot do."""
    extractor: Any = model.region_extractor
    encoder: Any = model.prompt_encoder
    llm: Any = model.llm
    cfg = model.saved_cfg()
    for name, kind in _KINDS.items():
        if cfg[name]["type"] != kind:
            raise CheckpointError(
                f"The release's layout has no place for this model: {name} is {cfg[name]['type']}, and it"
                f" needs {kind}."
            )
    size = (REPLAY_SIZE, REPLAY_SIZE)
    needs = {
        "llm.config.model_type 'llama'": llm.lm.config.model_type == "llama",
        "prompt_encoder.mode 'union'": encoder.mode == "union",
        f"prompt_encoder.in_planes 1 or {MASK_PLANES}": encoder.in_planes in (1, MASK_PLANES),
        f"region_extractor.output_size {REPLAY_SIZE}": extractor.output_size == size,
        "region_extractor.sampling_ratio 2": extractor.sampling_ratio == 2,
        "region_extractor.aligned True": extractor.aligned,
        "use_global True": model.use_global,
    }
    for need, met in needs.items():
        if not met:
            raise CheckpointError(f"The release's layout has no place for this model: it needs {need}.")


def _check_names(state: dict[str, Tensor]) -> None:
    adapters = [name for name in state if "lora_" in name or not name.startswith(("mllm.", "mask_patch"))]
    if adapters:
        raise CheckpointError(
            f"The release's layout has no place for {', '.join(adapters[:3])} ({len(adapters)} weights)."
            " Merge low-rank adapters first."
        )


def _three_planes(kernel: Tensor) -> Tensor:
    """Spread a mask kernel over the three channels of the release; the same function exactly."""
    if kernel.shape[1] == MASK_PLANES:
        return kernel
    return torch.cat([kernel, kernel.new_zeros((len(kernel), MASK_PLANES - 1, *kernel.shape[2:]))], 1)


def _still_true(content: Content) -> Path | None:
    """The folder with the release's own files, if they describe this model too."""
    files, model = content.release_files, content.model
    if files is None:
        return None
    try:
        tokenizer = load_tokenizer(str(files))
        cfg = ReleaseConfig(files / CONFIG_NAME, read_config(files / CONFIG_NAME)).model_cfg(tokenizer, files)
        cfg["prompt_encoder"]["in_planes"] = model.prompt_encoder.in_planes
        cfg["llm"]["config"]["tie_word_embeddings"] = content.tied
        other = Checkpoint(RELEASE, files, cfg, files, lambda: content.state).structure()
    except CheckpointError:
        return None
    theirs, own = other.saved_cfg(), model.saved_cfg()
    same = all(theirs[part] == own[part] for part in _KINDS)
    return files if same and tokenizer.get_vocab() == model.llm.tokenizer.get_vocab() else None


def _add_no_prompt(state: dict[str, Tensor], tokenizer: PreTrainedTokenizerBase, prompts: Any) -> None:
    """Append the token of the background of the id picture, which has to follow the prompts.

    Raises: CheckpointError if the prompts are not consecutive, or another token follows them.
    """
    vocab = tokenizer.get_vocab()
    ids = [vocab[name] for name in prompts]
    wanted = ids[0] + len(ids)
    found = vocab.get(NO_PROMPT)
    if ids != list(range(ids[0], wanted)) or (
        found != wanted if found is not None else len(tokenizer) != wanted
    ):
        raise CheckpointError(
            f"The release's layout needs {prompts[0]} to {prompts[-1]} and {NO_PROMPT} as consecutive tokens;"
            f" here they are {ids} and {found}. A model whose prompts were extended later cannot be written"
            " so."
        )
    if found is not None:
        return
    tokenizer.add_tokens([NO_PROMPT], special_tokens=True)
    for name in (EMBED_WEIGHT, HEAD_WEIGHT):
        if name in state and len(state[name]) == wanted:
            mean = state[name][ids].float().mean(0, keepdim=True).to(state[name].dtype)
            state[name] = torch.cat([state[name], mean])


def _config(model: RegionVLM, tied: bool, state: dict[str, Tensor]) -> dict[str, Any]:
    vision: Any = model.vision
    llm = model.llm
    vocab = llm.tokenizer.get_vocab()
    tower = vision.tower.config
    cfg = model.saved_cfg()
    text = {**cfg["llm"]["config"], "tie_word_embeddings": tied}
    text["vocab_size"] = len(state[EMBED_WEIGHT])
    patch = [vision.patch_px, vision.patch_px]
    return {
        "model_type": RELEASE_MODEL_TYPE,
        "architectures": ["GARModel"],
        "prompt_numbers": len(llm.tokens.prompts),
        "crop_tokens_ids": llm.region_ids,
        "patch_size_h": patch[0],
        "patch_size_w": patch[1],
        "kernel_size": patch,
        "mask_path_embedding_out_channels": vision.embed_dim,
        "gartk": {"release_compat": cfg.get("release_compat", {}), "chat": cfg["llm"]["chat"]},
        "mllm_config": {
            "model_type": "perception_lm",
            "image_token_id": llm.image_id,
            "video_token_id": vocab.get("<|video|>", llm.image_id + 1),
            "projector_pooling_ratio": model.connector.pool,
            "vision_use_cls_token": "vision.tower.timm_model.cls_token" in model.state_dict(),
            "tie_word_embeddings": tied,
            "text_config": _old_rope(text),
            "vision_config": {
                "model_type": "timm_wrapper",
                "architecture": tower.architecture,
                "model_args": dict(tower.model_args or {}),
                "num_features": vision.embed_dim,
            },
        },
    }


def _old_rope(text: dict[str, Any]) -> dict[str, Any]:
    """Return the rotary settings as the release's transformers (4.x) reads them."""
    rope = dict(text.pop("rope_parameters", None) or {})
    if "rope_theta" in rope:
        text["rope_theta"] = rope.pop("rope_theta")
    if rope.get("rope_type", "default") != "default":
        text["rope_scaling"] = rope
    return text


def _processor(model: RegionVLM) -> dict[str, Any]:
    tiler: Any = model.vision.tiler
    return {
        "image_processor_type": "PerceptionLMImageProcessorFast",
        "processor_class": "PerceptionLMProcessor",
        "vision_input_type": "thumb+tile",
        "tile_size": tiler.tile_px,
        "max_num_tiles": tiler.max_num_tiles,
        "image_mean": list(tiler.mean),
        "image_std": list(tiler.std),
        "resample": 3,
    }


def _notes(model: RegionVLM, kept: bool) -> list[str]:
    on = model.saved_cfg().get("release_compat", {})
    off = [name for name in RELEASE_COMPAT if name not in on]
    notes = []
    if off:
        notes.append(
            f"The authors' code does what this model does without: {', '.join(off)}. Its answers there will"
            " differ from those here (see gartk.compat)."
        )
    if not kept and model.saved_cfg()["llm"]["chat"] != CHAT:
        notes.append("The chat markup is not the release's; give its tokenizer a chat template of your own.")
    return notes
