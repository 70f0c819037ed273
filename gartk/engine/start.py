"""Starting a training from the weights of a trained model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gartk.engine.optim import is_under
from gartk.engine.settings import LoadSettings
from gartk.engine.sources import find_folder
from gartk.errors import CheckpointError, ConfigError, did_you_mean

if TYPE_CHECKING:
    from gartk.models.region_vlm import RegionVLM


def load_start(model: RegionVLM, settings: LoadSettings) -> str:
    """Copy the weights of a checkpoint of any format into a model; gives where they came from.

    Modules in ``settings.skip`` keep what they have, so that a part may be of another kind or size than the
    checkpoint's. All other weights must be there, in the same shape, and the tokenizers must be the same.

    Raises: CheckpointError naming what does not fit; ConfigError for a module that neither has.
    """
    from gartk.models.checkpoints import assign, own_state
    from gartk.models.llms.causal_lm import load_tokenizer
    from gartk.models.release import read_packed

    folder = find_folder(settings.path)
    packed = read_packed(folder)
    own = model.state_dict()
    for module in settings.skip:
        if not any(is_under(name, [module]) for name in [*own, *packed.state]):
            known = {name.partition(".")[0] for name in own}
            raise ConfigError(
                f"load_from.skip: neither the model nor {folder} has weights under {module!r}.\n"
                f"  {did_you_mean(module, known)}"
            )
    theirs = load_tokenizer(str(packed.tokenizer)).get_vocab()
    if theirs != model.llm.tokenizer.get_vocab():
        raise CheckpointError(
            f"The tokenizer of {folder} ({len(theirs):,} tokens) is another than the model's"
            f" ({len(model.llm.tokenizer):,}): words would get the weights of others. Give model.llm the same"
            " tokenizer and num_prompts."
        )
    state = {name: value for name, value in packed.state.items() if not is_under(name, settings.skip)}
    shared = set(own) - set(own_state(model))
    kept = [name for name in own if is_under(name, settings.skip)]
    assign(model, state, str(folder), optional=[*sorted(shared), *kept], named=packed.named)
    return str(folder)
