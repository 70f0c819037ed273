from __future__ import annotations

import pytest

from gartk.errors import ConfigError
from gartk.sweep.plan import ABSENT, differences, flat, make_plan, with_options
from gartk.sweep.settings import read_sweep

SIZE = "model.region_extractor.output_size"
LR = "optim.lr"


def test_runs_come_seed_by_seed_and_rows_in_the_files_order(plan_of) -> None:
    plan = plan_of("4", "1", "10", seeds=[1, 0])
    assert [(run.row.name, run.seed) for run in plan.runs] == [
        ("4", 1), ("1", 1), ("10", 1), ("4", 0), ("1", 0), ("10", 0),
    ]  # fmt: skip
    assert [run.config.seed for run in plan.runs] == [1, 1, 1, 0, 0, 0]
    assert plan.runs[0].folder == "runs/4/seed1"


def test_a_grid_runs_every_row_with_every_combination(plan_of) -> None:
    plan = plan_of("4", "8", grid={SIZE: [1, 2], LR: [1e-3, 1e-4]})
    assert [row.name for row in plan.rows[:4]] == [
        "4/output_size=1,lr=0.001",
        "4/output_size=1,lr=0.0001",
        "4/output_size=2,lr=0.001",
        "4/output_size=2,lr=0.0001",
    ]
    assert len(plan.rows) == 8
    last = plan.runs[-1].config
    assert (last.model.region_extractor.output_size, last.optim.lr) == (2, 1e-4)


def test_paths_that_end_alike_are_named_in_full(plan_of) -> None:
    plan = plan_of("4", grid={"model.vision.attention": ["sdpa"], "model.llm.attention": ["sdpa"]})
    assert plan.rows[0].name == "4/model.vision.attention=sdpa,model.llm.attention=sdpa"


def test_options_win_in_the_stated_order(write_sweep) -> None:
    row = {"name": "4", "cfg_options": {LR: 2.0, "schedule.max_iters": 20}}
    path = write_sweep(row, cfg_options={LR: 1.0, "accumulate": 3, "schedule.max_iters": 10})
    settings = with_options(read_sweep([path]), grid={SIZE: [4]})
    run = make_plan(settings, {"schedule.max_iters": 30, SIZE: 8}).runs[0]
    assert run.config.optim.lr == 2.0
    assert run.config.model.region_extractor.output_size == 4
    assert (run.updates, run.samples) == (30, 30 * 2 * 3)


def test_the_seed_goes_to_the_named_keys_and_nowhere_else(plan_of) -> None:
    keys = ["seed", "train_data.dataset.seed"]
    config = plan_of("4", seeds=[7], seed_keys=keys).runs[0].config
    assert (config.seed, config.train_data.dataset.seed) == (7, 7)
    assert "seed" not in config.test_data.dataset
    with pytest.raises(ConfigError, match="row '4' .*seed is set by the sweep's seeds"):
        plan_of({"name": "4", "cfg_options": {"seed": 1}})


def test_the_number_of_test_items_is_the_sweeps(plan_of) -> None:
    assert plan_of("4", items=11).runs[0].config.test_data.items_per_task == 11
    assert plan_of("4").runs[0].config.test_data.items_per_task == 3


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"optimm.lr": 1}, "--cfg-options optimm.lr: the config has no key 'optimm'"),
        ({"schedule.max_iters": 0}, "max_iters must be at least 1"),
        ({"test_data": None}, "has no test_data"),
    ],
)
def test_a_wrong_option_is_found_before_anything_runs(write_sweep, tmp_path, options, says) -> None:
    path = write_sweep("8", {"name": "4", "cfg_options": options})
    if options == {"test_data": None}:
        text = (tmp_path / "toy_config.py").read_text().partition("test_data")[0] + "del world\n"
        (tmp_path / "bare.py").write_text(text + "optim = dict(lr=1e-3)\nschedule = dict(max_iters=6)\n")
        path.write_text("rows = [dict(name='4', config='bare.py')]\n")
    with pytest.raises(ConfigError, match=rf"row '4' \(.*py\): .*{says}"):
        make_plan(read_sweep([path]))


def test_rows_of_one_name_or_one_folder_are_refused(plan_of) -> None:
    with pytest.raises(ConfigError, match="same name, '4'"):
        plan_of("4", "4")
    with pytest.raises(ConfigError, match="same folder name, 'A b'"):
        plan_of("A b", "a?b")


def test_an_unknown_baseline_is_refused(plan_of) -> None:
    with pytest.raises(ConfigError, match="baseline 'replya' is no row.*Did you mean 'replay'"):
        plan_of("replay", baseline="replya")


def test_a_fingerprint_is_of_the_config_and_not_of_titles(plan_of) -> None:
    first = plan_of({"name": "4", "title": "a"}).runs[0].fingerprint
    assert plan_of({"name": "4", "title": "b"}, baseline="4").runs[0].fingerprint == first
    assert plan_of({"name": "4", "cfg_options": {LR: 0.5}}).runs[0].fingerprint != first


def test_differences_name_every_leaf() -> None:
    one = {"a": {"b": 1, "c": (1, 2)}, "d": {}}
    assert flat(one) == {"a.b": 1, "a.c": [1, 2], "d": {}}
    two = {"a": {"b": 2, "c": [1, 2]}, "e": None}
    assert differences(one, two) == [("a.b", 1, 2), ("d", {}, ABSENT), ("e", ABSENT, None)]
