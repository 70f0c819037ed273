"""Prompt text: exact ids, labels on answers alone, and user text that never acts as markup."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gartk.data.prompting import (
    IGNORE,
    ConversationEncoder,
    PromptTemplate,
    TextEncoder,
    names_prompts,
    unknown_prompts,
)
from gartk.errors import DataError, RegionError
from gartk.models.llms.causal_lm import add_prompt_tokens, load_tokenizer
from gartk.structures import ChatFormat, PromptTokens, Turn
from gartk.testing.toy import toy_chat

TOKENS = PromptTokens(
    image="<|image|>",
    prompts=[f"<Prompt{i}>" for i in range(12)],
    regions=[f"<|region_pad_{i}|>" for i in range(12)],
)
CHAT = ChatFormat(**toy_chat())
TOKENIZER = load_tokenizer("tiny")
add_prompt_tokens(TOKENIZER, TOKENS)
TEXT = TextEncoder(TOKENIZER, TOKENS)
ADDED = TOKENIZER.get_added_vocab()


def encoder(
    chat: ChatFormat = CHAT, tokens: PromptTokens = TOKENS, per_region: int = 2
) -> ConversationEncoder:
    return ConversationEncoder(TextEncoder(TOKENIZER, tokens), chat, tokens_per_region=per_region)


def turns(*texts: str) -> list[Turn]:
    return [Turn(("user", "assistant")[i % 2], text) for i, text in enumerate(texts)]  # type: ignore[arg-type]


def decode(ids: Sequence[int]) -> str:
    return str(TOKENIZER.decode(list(ids), skip_special_tokens=False))


def said(labels: Sequence[int]) -> str:
    return decode([label for label in labels if label != IGNORE])


USER = "<|start_header_id|>user<|end_header_id|>\n\n"
ASSISTANT = "<|start_header_id|>assistant<|end_header_id|>\n\n"


def test_the_text_without_regions_is_image_and_question() -> None:
    ids, _ = encoder()(turns("What is this?"), seen_on=[1] * 0, image_tokens=[3])
    assert decode(ids) == (
        f"<|begin_of_text|>{USER}<|image|><|image|><|image|>What is this?<|eot_id|>{ASSISTANT}"
    )


def test_the_text_of_one_region_introduces_it_and_holds_its_block() -> None:
    ids, _ = encoder()(turns("Describe <Prompt0>."), seen_on=[1] * 1, image_tokens=[1])
    assert decode(ids) == (
        f"<|begin_of_text|>{USER}<|image|>There are some objects I am curious about: <Prompt0>; \n"
        "<Prompt0>: <|region_pad_0|><|region_pad_0|>\n\n"
        f"Describe <Prompt0>.<|eot_id|>{ASSISTANT}"
    )


def test_the_text_of_three_regions_lists_them_then_gives_their_blocks_in_order() -> None:
    ids, _ = encoder(per_region=1)(turns("Q"), seen_on=[1] * 3, image_tokens=[])
    assert decode(ids) == (
        f"<|begin_of_text|>{USER}"
        "There are some objects I am curious about: <Prompt0>; <Prompt1>; <Prompt2>; \n"
        "<Prompt0>: <|region_pad_0|>\n<Prompt1>: <|region_pad_1|>\n<Prompt2>: <|region_pad_2|>\n\n"
        f"Q<|eot_id|>{ASSISTANT}"
    )


def test_a_region_can_come_with_a_later_turn() -> None:
    talk = turns("What is <Prompt1>?", "red", "And <Prompt0>?")
    ids, _ = encoder(per_region=1)(talk, seen_on=[1] * 2, image_tokens=[1], introduced=[1, 0])
    first, second = decode(ids).split("red")
    assert "<|image|>" in first
    assert "<|region_pad_1|>" in first
    assert "<|region_pad_0|>" not in first
    assert "<Prompt0>: <|region_pad_0|>\n\nAnd <Prompt0>?" in second
    for wrong in ([0], [0, 2], [0, -1]):
        with pytest.raises(DataError, match="introduced"):
            encoder()(talk, seen_on=[1] * 2, image_tokens=[1], introduced=wrong)


def test_a_model_without_local_tokens_gets_the_list_but_no_blocks() -> None:
    ids, _ = encoder(per_region=0)(turns("Q"), seen_on=[1] * 2, image_tokens=[])
    assert decode(ids) == (
        f"<|begin_of_text|>{USER}There are some objects I am curious about: <Prompt0>; <Prompt1>; \n\n"
        f"Q<|eot_id|>{ASSISTANT}"
    )


def test_blocks_and_image_stand_in_their_wraps_and_a_system_message_comes_first() -> None:
    tokens = replace(TOKENS, image_wrap=("[", "]"), region_wrap=("(", ")"))
    chat = replace(CHAT, system="Be kind.")
    ids, _ = encoder(chat, tokens, per_region=1)(turns("Q"), seen_on=[1] * 1, image_tokens=[2])
    assert decode(ids) == (
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe kind.<|eot_id|>"
        f"{USER}[<|image|><|image|>]There are some objects I am curious about: <Prompt0>; \n"
        f"<Prompt0>: (<|region_pad_0|>)\n\nQ<|eot_id|>{ASSISTANT}"
    )


def test_another_template_changes_the_wording() -> None:
    template = PromptTemplate(intro="Look: ", mention="{prompt},", block_head="[{prompt}]")
    conversation = ConversationEncoder(TEXT, CHAT, tokens_per_region=1, template=template)
    ids, _ = conversation(turns("Q"), seen_on=[1] * 1, image_tokens=[])
    assert "Look: <Prompt0>,\n[<Prompt0>]<|region_pad_0|>\n\nQ" in decode(ids)


def test_labels_hold_the_answers_with_their_closing_token_and_nothing_else() -> None:
    conversation = turns("A <Prompt0>?", "one of <Prompt1>", "B?", "two")
    ids, labels = encoder()(conversation, seen_on=[1] * 2, image_tokens=[4])
    assert len(ids) == len(labels)
    assert said(labels) == "one of <Prompt1><|eot_id|>two<|eot_id|>"
    assert all(label in (IGNORE, token) for token, label in zip(ids, labels, strict=True))
    assert decode(ids).endswith(f"{USER}B?<|eot_id|>{ASSISTANT}two<|eot_id|>")
    assert decode(ids).count("There are some objects") == 1


def test_a_question_at_the_end_gets_the_assistants_opening_and_no_label() -> None:
    ids, labels = encoder()(turns("A?", "one", "B?"), seen_on=[1] * 0, image_tokens=[])
    assert decode(ids).endswith(f"B?<|eot_id|>{ASSISTANT}")
    assert said(labels) == "one<|eot_id|>"


def test_every_added_token_in_user_text_is_read_as_plain_characters() -> None:
    for name in ADDED:
        ids = TEXT.plain(f"a {name} b", num_regions=0)
        assert not set(ids) & set(ADDED.values()), name
        assert decode(ids) == f"a {name} b"


@pytest.mark.parametrize(
    "text",
    [
        "<|im<|image|>age|>",
        "<<|image|>|image|>",
        "<|eot<|eot_id|>_id|>",
        "<|im<Prompt9>age|>",
        "<|image|><|image|>",
        "<Prompt<Prompt9>9>",
        "<|region_pad_0|><|begin_of_text|>",
    ],
)
def test_nested_and_adjoining_markup_never_becomes_a_control_token(text: str) -> None:
    ids = TEXT.plain(text, num_regions=2)
    assert not set(ids) & set(ADDED.values())
    assert decode(ids) == text


def test_the_prompt_of_a_region_is_its_one_token_and_that_of_no_region_is_not() -> None:
    prompt = [ADDED[f"<Prompt{i}>"] for i in range(12)]
    ids = TEXT.plain("<Prompt1><Prompt5> <Prompt11>", num_regions=2)
    assert [i for i in ids if i in prompt] == [prompt[1]]
    assert ids[0] == prompt[1]
    assert prompt[11] in TEXT.plain("<Prompt11>", num_regions=12)


def test_a_prompt_that_markup_encloses_keeps_its_meaning() -> None:
    ids = TEXT.plain("<|im<Prompt1>age|>", num_regions=2)
    assert [i for i in ids if i in ADDED.values()] == [ADDED["<Prompt1>"]]
    assert decode(ids) == "<|im<Prompt1>age|>"


FRAGMENTS = st.one_of(
    st.sampled_from(sorted(ADDED)),
    st.sampled_from(sorted(ADDED)).flatmap(lambda name: st.integers(1, len(name)).map(lambda n: name[:n])),
    st.sampled_from(sorted(ADDED)).flatmap(lambda name: st.integers(0, len(name)).map(lambda n: name[n:])),
    st.text(max_size=4),
    st.sampled_from(["<", "|", ">", "<|", "|>", "<Prompt", "\n", " ", "é", "红", "\u0301"]),
)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.lists(FRAGMENTS, max_size=8).map("".join), st.integers(0, 3))
@example("<Prompt1><|image|>", 2)
def test_no_text_yields_a_control_id_and_none_is_changed(text: str, num_regions: int) -> None:
    text = text.encode("utf-8", "ignore").decode()
    ids = TEXT.plain(text, num_regions)
    allowed = {ADDED[f"<Prompt{i}>"] for i in range(num_regions)}
    control = [i for i in ids if i in ADDED.values()]
    assert set(control) <= allowed
    wanted = re.findall("|".join(f"<Prompt{i}>" for i in range(num_regions)) or "(?!)", text)
    assert [decode([i]) for i in control] == wanted
    assert decode(ids) == text


def test_answers_are_as_safe_as_questions() -> None:
    ids, labels = encoder()(turns("Q", "<|image|> <Prompt7>"), seen_on=[1] * 1, image_tokens=[2])
    assert ids.count(ADDED["<|image|>"]) == 2
    assert said(labels) == "<|image|> <Prompt7><|eot_id|>"
    assert ADDED["<Prompt7>"] not in labels


def test_more_regions_than_prompt_tokens_is_a_region_error() -> None:
    with pytest.raises(RegionError, match="13 regions .* prompt tokens for 12.*num_prompts"):
        encoder()(turns("Q"), seen_on=[1] * 13, image_tokens=[])


@pytest.mark.parametrize("roles", [[], ["assistant"], ["user", "user"], ["user", "assistant", "assistant"]])
def test_turns_that_do_not_alternate_are_a_data_error(roles: list[str]) -> None:
    broken = [Turn(role, "x") for role in roles]  # type: ignore[arg-type]
    with pytest.raises(DataError, match="must alternate user, assistant"):
        encoder()(broken, seen_on=[1] * 0, image_tokens=[])


def test_a_placeholder_that_the_tokenizer_splits_is_a_data_error() -> None:
    tokens = replace(TOKENS, image="<|picture|>")
    with pytest.raises(DataError, match=r"no single token '<\|picture\|>'"):
        encoder(tokens=tokens)


def test_chat_markup_without_a_role_that_is_used_is_a_data_error() -> None:
    with pytest.raises(DataError, match=r"lacks the roles \['assistant'\]"):
        ChatFormat(start="", before={"user": ""}, after={"user": "", "assistant": ""})
    with pytest.raises(DataError, match=r"lacks the roles \['system'\]"):
        ChatFormat(start="", before={"user": "", "assistant": ""}, after=CHAT.after, system="Be kind.")


def test_names_and_unknown_prompts_are_found_in_text() -> None:
    assert names_prompts("see <Prompt3>")
    assert not names_prompts("see <Prompt> or Prompt3")
    assert unknown_prompts("<Prompt0> <Prompt2> <Prompt10>", 2) == ["<Prompt2>", "<Prompt10>"]
