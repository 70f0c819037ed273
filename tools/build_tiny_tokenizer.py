"""Build the byte-level tokenizer of the tiny base from RegionWorld's own texts.

The same inputs give the same file. Its bytes cover any text, its merges the words of RegionWorld, and its
markup is that of Llama 3. The one shipped in gartk/assets/tiny_tokenizer (600 entries) was built before
RegionWorld asked for places (now 613). It stays, because another vocabulary changes the random weights
that a seed gives, and with them the runs of the tiny configs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from gartk.data.prompting import PromptTemplate
from gartk.data.world.corpus import world_corpus

SPECIALS = [
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
    "<|image|>",
]


def build(texts: list[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """Train byte-level BPE on the texts and add the markup."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=[AddedToken(name, special=True, normalized=False) for name in SPECIALS],
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|begin_of_text|>",
        eos_token="<|eot_id|>",
        pad_token="<|end_of_text|>",
        clean_up_tokenization_spaces=False,
    )


def main() -> None:
    """Parse arguments, build, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, nargs="?", default=Path("gartk/assets/tiny_tokenizer"))
    parser.add_argument("--scenes", type=int, default=4000, help="scenes whose texts are read")
    parser.add_argument("--vocab-size", type=int, default=640)
    args = parser.parse_args()
    template = PromptTemplate()
    fixed = [
        "user\n\n",
        "assistant\n\n",
        template.intro,
        template.after_mentions,
        template.before_question,
        ": ",
        "; ",
    ]
    # Prompt tokens are atoms of their own; the corpus is cut at them as the encoder will cut it.
    texts = [piece for text in world_corpus(args.scenes, seed=0) for piece in _around_prompts(text) if piece]
    tokenizer = build(fixed * args.scenes + texts, args.vocab_size)
    tokenizer.save_pretrained(args.out)
    print(f"{args.out}: {len(tokenizer)} entries")


def _around_prompts(text: str) -> list[str]:
    pieces = [text]
    for index in range(16):
        pieces = [part for piece in pieces for part in piece.split(f"<Prompt{index}>")]
    return pieces


if __name__ == "__main__":
    main()
