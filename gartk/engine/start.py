"""Starting a training from the weights of a trained model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gartk.config.settings import LoadSettings
from gartk.engine.sources import find_folder
from gartk.errors import CheckpointError, ConfigError, did_you_mean
from gartk.models.checkpoints import is_under
from gartk.models.llms.causal_lm import load_tokenizer
from gartk.models.release import read_packed

if TYPE_CHECKING:
    from gartk.models.region_vlm import RegionVLM


def load_start(model: RegionVLM, settings: LoadSettings) -> str:
    """Copy the weights of a checkpoint of any format into a model; gives where they came from.

    Modules in ``settings.skip`` keep what they have, so that a part may be of another kind or size than the
    checkpoint's. All other weights must be there, in the same shape, and the tokenizers must be the same.

    Raises: CheckpointError naming what does not fit; ConfigError for a module that neither has.
    """
    folder = find_folder(settings.path)
    packed = read_packed(folder)
    names = [*model.state_dict(), *packed.state]
    for module in settings.skip:
        if not any(is_under(name, [module]) for name in names):
            known = {name.partition(".")[0] for name in names}
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
    packed.load_into(model, skip=settings.skip)
    return str(folder)
