"""RegionWorld as a dataset: an index gives a scene, its prompted regions and a conversation about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from gartk.data.base import DATASETS, RegionDataset
from gartk.data.world.attributes import HELD_OUT_SCENE_RATE, SPLITS, Split, check_split
from gartk.data.world.builders import Builder, grid, scatter, surfaces
from gartk.data.world.scene import KINDS, Kind, Scene
from gartk.data.world.tasks.base import CHOICE_SUFFIX, ChoiceAnswer, Plan, Wording
from gartk.data.world.tasks.catalogue import DEFAULT_WEIGHTS, EVALUATION_TASKS, TASKS
from gartk.errors import ConfigError, DataError, did_you_mean
from gartk.regions import Region
from gartk.structures import Sample, Turn

Range = tuple[int, int]
SizeSpec = tuple[int, int] | tuple[Range, Range]

MIN_SIDE_PX = 64
MAX_REGIONS = 7
MAX_ATTEMPTS = 40
# Streams beside those of the scenes, whose fourth number is the attempt.
MIXTURE_STREAM = MAX_ATTEMPTS
QUESTION_STREAM = 1
# How many regions a sample with several turns prompts, at least as many as its questions name.
REGION_COUNTS, REGION_RATES = (1, 2, 3, 4, 5, 6, 7), (0.2, 0.25, 0.25, 0.2, 0.04, 0.03, 0.03)


def _stream(*words: int) -> np.random.Generator:
    """The random stream that these numbers name."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(list(words))))


def build_scene(
    seed: Sequence[int], hw: tuple[int, int], *, kind: Kind, split: Split = "train", crowded: bool = False
) -> Scene:
    """Build the scene of a seed; the same arguments give the same bytes.

    Units: hw in pixels.
    Raises: DataError if a side is shorter than 64 pixels.
    """
    if min(hw) < MIN_SIDE_PX:
        raise DataError(
            f"RegionWorld draws images of at least {MIN_SIDE_PX} pixels a side, got {hw[0]}x{hw[1]} (HxW)."
        )
    rng = _stream(*seed)
    build = Builder(rng, hw, split, held_out=bool(split != "train" and rng.random() < HELD_OUT_SCENE_RATE))
    if kind == "scatter":
        return scatter(build, tuple(seed), crowded=crowded)
    return grid(build, tuple(seed)) if kind == "grid" else surfaces(build, tuple(seed))


def _check_sizes(size: SizeSpec, sizes: Sequence[SizeSpec] | None) -> list[tuple[Range, Range]]:
    ranges = []
    for one in sizes if sizes else [size]:
        pair = tuple((side, side) if isinstance(side, int) else tuple(side) for side in one)
        if len(pair) != 2 or any(len(r) != 2 or not MIN_SIDE_PX <= r[0] <= r[1] for r in pair):
            raise ConfigError(
                f"RegionWorldDataset size {one!r} is not (height, width), each a number or a (low, high)"
                f" range, with sides of at least {MIN_SIDE_PX} pixels."
            )
        ranges.append(pair)
    return ranges  # type: ignore[return-value]


def _check_tasks(tasks: Mapping[str, float] | Sequence[str] | None) -> dict[str, float]:
    if isinstance(tasks, str):
        raise ConfigError(
            f"RegionWorldDataset.tasks is the string {tasks!r}; give a list or a dict of weights."
        )
    weights = dict(
        DEFAULT_WEIGHTS
        if tasks is None
        else tasks
        if isinstance(tasks, Mapping)
        else dict.fromkeys(tasks, 1.0)
    )
    for name, weight in weights.items():
        if name not in TASKS:
            raise ConfigError(f"RegionWorld has no task {name!r}. {did_you_mean(name, TASKS)}")
        if not weight >= 0:
            raise ConfigError(
                f"RegionWorldDataset.tasks gives {name!r} the weight {weight!r}; it must be >= 0."
            )
    if not sum(weights.values()) > 0:
        raise ConfigError("RegionWorldDataset.tasks leaves nothing to draw: no task has a weight above 0.")
    return weights


@DATASETS.register()
class RegionWorldDataset(RegionDataset):
    """Samples of RegionWorld, each a function of its index alone.

    Args:
        split: train, val or test; they differ in seeds and in held-out attribute combinations.
        length: how many samples there are.
        seed: another seed gives another world of the same kind.
        size: height and width, each a number or a (low, high) range, of the images.
        sizes: several sizes to draw from, in place of ``size``.
        tasks: names, or names with weights; None takes the default mixture.
        turns_per_sample: questions about one scene and its regions; 1 for evaluation.
        max_regions: how many regions a sample with several turns may prompt.
        introduce: "first" gives the local tokens of all regions before the first question, "mention"
            before the first question that is about them.
        index_offset: added to every index, so that shards or epochs can differ.
        choice_answer: "letter" as in GAR-Bench; or "text": a choice is answered with the right option's
            text, which a decoder too small to learn the letters can give; or "reasoned": where several
            regions have to be compared, a line before that text goes through the options as far as the
            right one and says for each how things are; all other choices as "text".
        balanced: go through ``tasks`` in turn and through the letters of their answers in turn, so that
            both come out even; needs one turn per sample.
    """

    def __init__(
        self,
        split: str = "train",
        *,
        length: int = 10_000,
        seed: int = 0,
        size: SizeSpec = (224, 224),
        sizes: Sequence[SizeSpec] | None = None,
        tasks: Mapping[str, float] | Sequence[str] | None = None,
        turns_per_sample: int = 1,
        max_regions: int = MAX_REGIONS,
        introduce: Literal["first", "mention"] = "first",
        index_offset: int = 0,
        choice_answer: ChoiceAnswer = "letter",
        balanced: bool = False,
    ) -> None:
        if length < 0 or turns_per_sample < 1 or seed < 0 or index_offset < 0:
            raise ConfigError(
                "RegionWorldDataset needs length, seed and index_offset >= 0 and turns_per_sample >= 1,"
                f" got length={length}, seed={seed}, index_offset={index_offset},"
                f" turns_per_sample={turns_per_sample}."
            )
        if balanced and turns_per_sample != 1:
            raise ConfigError(
                f"RegionWorldDataset(balanced=True) needs turns_per_sample=1, got {turns_per_sample}."
            )
        if not 1 <= max_regions <= MAX_REGIONS:
            raise ConfigError(
                f"RegionWorldDataset.max_regions must be in 1..{MAX_REGIONS}, got {max_regions}."
            )
        if introduce not in ("first", "mention"):
            raise ConfigError(
                f"RegionWorldDataset.introduce is {introduce!r}; it must be 'first' or 'mention'."
            )
        if choice_answer not in CHOICE_SUFFIX:
            raise ConfigError(
                f"RegionWorldDataset.choice_answer is {choice_answer!r};"
                f" it must be one of {', '.join(CHOICE_SUFFIX)}."
            )
        self.introduce = introduce
        self.choice_answer: ChoiceAnswer = choice_answer
        self.split: Split = check_split(split)
        self.max_regions = max_regions
        self.length, self.seed, self.index_offset = length, seed, index_offset
        self.turns_per_sample, self.balanced = turns_per_sample, balanced
        self.weights = _check_tasks(tasks)
        self._sizes = _check_sizes(size, sizes)
        self._mixture = _Mixture(self.weights)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Sample:
        """Return sample ``index``.

        Raises: IndexError outside 0..length-1.
        """
        if not 0 <= index < self.length:
            raise IndexError(f"RegionWorldDataset index {index} is outside 0..{self.length - 1}.")
        at = index + self.index_offset
        for attempt in range(MAX_ATTEMPTS):
            seed = (SPLITS.index(self.split), self.seed, at, attempt)
            sample = self._attempt(at, seed)
            if sample is not None:
                sample.id = f"{self.split}-{self.seed}-{at}"
                if self.introduce == "mention":
                    sample.introduced = _first_mentions(sample)
                return sample
        raise DataError(
            f"RegionWorld found no scene for sample {at} of {self.split} in {MAX_ATTEMPTS} attempts."
        )

    def _attempt(self, at: int, seed: tuple[int, ...]) -> Sample | None:
        rng = _stream(*seed, QUESTION_STREAM)
        slot: int | None = None
        if self.balanced:
            names = list(self.weights)
            tasks, slot = [names[at % len(names)]], at // len(names)
            kind = self._mixture.kind_for(rng, tasks[0])
        else:
            # Drawn apart from the attempts, so that a scene that fits badly does not shift the mixture.
            kind, tasks = self._mixture.draw(_stream(*seed[:3], MIXTURE_STREAM), self.turns_per_sample)
        hw = self._draw_size(rng)
        crowded = len(tasks) == 1 and rng.random() < 0.3
        args: dict[str, Any] = {"hw": hw, "kind": kind, "split": self.split, "crowded": crowded}
        scene = build_scene(seed, **args)
        if len(tasks) == 1:
            plan = TASKS[tasks[0]].plan(tasks[0], scene, rng, None)
            if plan is None:
                return None
            return self._sample(scene, [plan], list(plan.objects), rng, slot, args)
        plans = _plan_turns(scene, tasks, rng, self._mixture, self.max_regions)
        if not plans:
            return None
        named = list(dict.fromkeys(i for plan in plans for i in plan.objects))
        return self._sample(scene, plans, named, rng, None, args)

    def _draw_size(self, rng: np.random.Generator) -> tuple[int, int]:
        rows, cols = self._sizes[int(rng.integers(len(self._sizes)))]
        return int(rng.integers(rows[0], rows[1] + 1)), int(rng.integers(cols[0], cols[1] + 1))

    def _sample(
        self,
        scene: Scene,
        plans: Sequence[Plan],
        objects: list[int],
        rng: np.random.Generator,
        slot: int | None,
        scene_args: dict[str, Any],
    ) -> Sample:
        """Number the prompted objects, word the questions, and put the sample together.

        ``meta`` is that of the first question; ``turns`` in it holds the metas of all of them, and
        ``build_scene(meta["scene_seed"], **meta["scene_args"])`` gives the scene again.
        """
        numbers = _number(plans, objects, rng, slot)
        ordered = sorted(objects, key=lambda obj: numbers[obj])
        word = Wording(scene, numbers, ordered, rng, slot, self.choice_answer)
        questions = [TASKS[plan.task].word(plan, word) for plan in plans]
        regions = [Region.from_mask(scene.mask(i), name=f"<Prompt{n}>") for n, i in enumerate(ordered)]
        turns = [turn for q in questions for turn in (Turn("user", q.text), Turn("assistant", q.answer))]
        meta = {**questions[0].meta, "scene_seed": list(scene.seed), "scene_args": scene_args}
        meta["objects"], meta["turns"] = ordered, [question.meta for question in questions]
        return Sample(images=[scene.image], regions=regions, turns=turns, meta=meta)


class _Mixture:
    """Draws a kind of scene and the tasks asked about it so that tasks come at their weights."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        self.names = list(weights)
        joint = np.array([[weights[n] * TASKS[n].kinds.get(kind, 0.0) for n in self.names] for kind in KINDS])
        self._kinds = np.cumsum(joint.sum(1) / joint.sum())
        self._tasks = np.cumsum(joint / np.maximum(joint.sum(1, keepdims=True), 1e-12), axis=1)

    def draw(self, rng: np.random.Generator, count: int) -> tuple[Kind, list[str]]:
        """Draw a kind of scene and ``count`` tasks for it."""
        kind = KINDS[min(int(np.searchsorted(self._kinds, rng.random(), side="right")), len(KINDS) - 1)]
        return kind, self.draw_tasks(rng, kind, count)

    def draw_tasks(self, rng: np.random.Generator, kind: Kind, count: int) -> list[str]:
        """Draw ``count`` tasks for a kind of scene."""
        rates = self._tasks[KINDS.index(kind)]
        at = np.searchsorted(rates, rng.random(count) * rates[-1], side="right")
        return [self.names[min(i, len(self.names) - 1)] for i in at.tolist()]

    def kind_for(self, rng: np.random.Generator, task: str) -> Kind:
        """Draw a kind of scene for one task."""
        kinds = TASKS[task].kinds
        names = list(kinds)
        return names[int(rng.choice(len(names), p=list(kinds.values())))]


def _plan_turns(
    scene: Scene, tasks: Sequence[str], rng: np.random.Generator, mixture: _Mixture, max_regions: int
) -> list[Plan]:
    """Plan several questions over few regions: each reuses prompted regions where it can.

    A question that was planned before, or that does not fit, is replanned over all objects; where that
    would prompt too many regions another task of the mixture takes its place.
    """
    target = min(int(rng.choice(REGION_COUNTS, p=REGION_RATES)), max_regions)
    plans: list[Plan] = []
    regions: list[int] = []
    for wanted in tasks:
        for attempt in range(4):
            task = wanted if attempt < 2 else mixture.draw_tasks(rng, scene.kind, 1)[0]
            reuse = regions if len(regions) >= target else None
            plan = TASKS[task].plan(task, scene, rng, reuse) or TASKS[task].plan(task, scene, rng, None)
            if plan is None or any(plan.task == p.task and plan.objects == p.objects for p in plans):
                plan = TASKS[task].plan(task, scene, rng, None)
            if plan is None or any(plan.task == p.task and plan.objects == p.objects for p in plans):
                continue
            together = list(dict.fromkeys([*regions, *plan.objects]))
            if len(together) <= max_regions:
                regions, plans = together, [*plans, plan]
                break
    return plans


def _number(
    plans: Sequence[Plan], objects: list[int], rng: np.random.Generator, slot: int | None
) -> dict[int, int]:
    """Assign prompt numbers at random; a slot then moves the answer among the candidates it stands with."""
    order = rng.permutation(len(objects)).tolist()
    numbers = {obj: order[i] for i, obj in enumerate(objects)}
    plan = plans[0]
    if len(plans) == 1 and plan.task == "caption_detailed":
        return {obj: i for i, obj in enumerate(plan.objects)}
    if slot is not None and plan.target is not None:
        rivals = [i for i in plan.objects if i != plan.objects[0] or plan.target == plan.objects[0]]
        ranked = sorted(rivals, key=lambda obj: numbers[obj])
        # Seven prompts still have at most four options, in the order of their numbers.
        other = ranked[slot % min(len(ranked), 4)]
        numbers[plan.target], numbers[other] = numbers[other], numbers[plan.target]
    return numbers


def _first_mentions(sample: Sample) -> list[int]:
    """Number of the first user turn that is about each region; 0 for a region that none is about."""
    questions = [turn.text for turn in sample.turns if turn.role == "user"]
    names = [f"<Prompt{number}>" for number in range(len(sample.regions))]
    return [next((at for at, text in enumerate(questions) if name in text), 0) for name in names]


def evaluation_set(
    per_task: int,
    *,
    tasks: Sequence[str] = EVALUATION_TASKS,
    split: str = "test",
    seed: int = 0,
    size: SizeSpec = (224, 224),
    sizes: Sequence[SizeSpec] | None = None,
) -> RegionWorldDataset:
    """An evaluation set with ``per_task`` items of each task, in turn, with even answer letters."""
    return RegionWorldDataset(
        split,
        length=per_task * len(tasks),
        seed=seed,
        size=size,
        sizes=sizes,
        tasks=list(tasks),
        balanced=True,
    )
