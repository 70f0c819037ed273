"""Questions about several images at once: how images and regions are given, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gartk.errors import DataError, RegionError
from gartk.inference.api import RegionAssistant
from gartk.regions import Region
from gartk.regions.masks import encode_rle
from gartk.testing.toy import toy_sample

A, B = toy_sample((56, 112), 2, seed=0), toy_sample((90, 56), 2, seed=1)
OF_A, OF_B = ([pair.region for pair in one.pairs()] for one in (A, B))
QUESTION = "Is <Prompt0> in the first picture the same as <Prompt1> in the second?"
IMAGES = [A.image, B.image]


def boxed(region: Region) -> list[float]:
    return [float(side) for side in region.box_px]


@pytest.mark.parametrize(
    "second",
    [
        (1, OF_B[1]),
        {"image": 1, "box": boxed(OF_B[1])},
        {"image": 1, **encode_rle(OF_B[1].mask)},
        (1, OF_B[1].mask),
        [(1, OF_B[1])],
    ],
)
def test_a_region_says_in_any_form_on_which_image_it_is(assistant: RegionAssistant, second: Any) -> None:
    wanted = assistant.ask(
        images=IMAGES, regions=[(0, OF_A[0]), (1, OF_B[1])], question=QUESTION, max_new_tokens=6
    )
    found = assistant.ask(
        images=IMAGES,
        regions=[{"image": 0, "box": boxed(OF_A[0])}, second],
        question=QUESTION,
        max_new_tokens=6,
    )
    assert found.text == wanted.text
    assert [list(places) for places in found.regions] == [[0], [1]]
    assert np.array_equal(found.regions[1][1].mask, OF_B[1].mask)


def test_a_region_on_several_images_is_one_prompt(assistant: RegionAssistant) -> None:
    both = [(0, OF_A[0]), (1, OF_B[0])]
    asked = {"images": IMAGES, "question": "What is <Prompt0>?", "max_new_tokens": 6}
    answer = assistant.ask(regions=[both], **asked)
    assert [list(places) for places in answer.regions] == [[0, 1]]
    assert answer.text == assistant.ask(regions=[both[::-1]], **asked).text
    assert answer.text != assistant.ask(regions=[both[0]], **asked).text


def test_the_order_of_images_counts(assistant: RegionAssistant) -> None:
    one = assistant.ask(
        images=IMAGES, regions=[(0, OF_A[0]), (1, OF_B[1])], question=QUESTION, max_new_tokens=8
    )
    other = assistant.ask(
        images=IMAGES[::-1], regions=[(1, OF_A[0]), (0, OF_B[1])], question=QUESTION, max_new_tokens=8
    )
    assert one.text != other.text


def test_one_image_of_a_set_is_that_image(assistant: RegionAssistant) -> None:
    alone = assistant.ask(A.image, OF_A, "What is <Prompt1>?", max_new_tokens=6)
    for regions in (OF_A, [(0, one) for one in OF_A]):
        found = assistant.ask(
            images=[A.image], regions=regions, question="What is <Prompt1>?", max_new_tokens=6
        )
        assert found.text == alone.text


def test_streams_and_descriptions_take_several_images_too(assistant: RegionAssistant) -> None:
    regions = [(0, OF_A[0]), (1, OF_B[1])]
    text = assistant.ask(images=IMAGES, regions=regions, question=QUESTION, max_new_tokens=6).text
    pieces = assistant.stream(images=IMAGES, regions=regions, question=QUESTION, max_new_tokens=6)
    assert "".join(pieces) == text
    answers = assistant.describe(images=IMAGES, regions=regions, max_new_tokens=4)
    question = assistant.describe_question
    assert [answer.text for answer in answers] == [
        assistant.ask(images=IMAGES, regions=[one], question=question, max_new_tokens=4).text
        for one in regions
    ]


@pytest.mark.parametrize(
    ("given", "kind", "text"),
    [
        ({"regions": [(2, OF_A[0])]}, RegionError, "region 0 is on image 2, but images are numbered 0 to 1"),
        ({"regions": [(0, OF_A[0]), OF_B[0]]}, RegionError, "region 1 does not say on which of the 2 images"),
        ({"regions": [(1, OF_A[0])]}, RegionError, "Image 1: .*made for an image of 112x56.*56x90"),
        (
            {"regions": [[(0, OF_A[0]), (0, OF_A[1])]]},
            RegionError,
            "region 0 is given twice on image 0",
        ),
        ({"regions": []}, RegionError, "No region was given"),
        ({"regions": [(0, OF_A[0])] * 9}, RegionError, "9 regions were given"),
        ({"images": []}, DataError, "images must be a list"),
        ({"images": [A.image, "nowhere.png"]}, DataError, "Image 1: "),
        ({"image": A.image}, DataError, "Give either image, or images"),
        ({"images": None}, DataError, "Give either image, or images"),
    ],
)
def test_what_cannot_be_asked_is_an_error(
    assistant: RegionAssistant, given: dict[str, Any], kind: type[Exception], text: str
) -> None:
    asked: dict[str, Any] = {"images": IMAGES, "regions": [(0, OF_A[0])], "question": "What is <Prompt0>?"}
    with pytest.raises(kind, match=text):
        assistant.ask(**{**asked, **given})
