from __future__ import annotations

import gartk
from gartk.data.world.dataset import RegionWorldDataset
from gartk.inference.loading import find_folder


def test_the_shipped_model_is_small_loads_by_name_and_names_colours() -> None:
    size = sum(file.stat().st_size for file in find_folder("tiny").rglob("*") if file.is_file())
    assert size <= 8_000_000
    model = gartk.load("tiny")
    data = RegionWorldDataset("test", tasks=["open_color"], length=24, balanced=True)
    samples = [data[index] for index in range(len(data))]
    answers = model.ask(
        [s.image for s in samples], [s.regions for s in samples], [s.turns[0].text for s in samples]
    )
    right = sum(answer.text == s.meta["answer"] for answer, s in zip(answers, samples, strict=True))
    assert right >= 20
