"""Several plans for each fold: which are tried, and which network is kept."""

import json

import pandas as pd
import pytest
from picture_cohorts import write_picture, write_table

from hrcam.artifacts.try_table import read_chosen
from hrcam.cohort.check import check_cohort
from hrcam.cohort.opening import open_cohort
from hrcam.errors import InputError
from hrcam.networks import SmallCNN
from hrcam.training import Hardware, Run, TrainingConfig, make_plan, train_cohort, tries
from hrcam.training.plan import PlanOptions
from hrcam.training.tries import tries_of

TINY = "test_tries:tiny"


def tiny(*, spatial_dims, in_channels, num_classes):
    return SmallCNN(spatial_dims, in_channels, num_classes, (4,))


OPTIONS = {"folds": 2, "epochs": 3, "shape": (16, 16), "batch_size": 4, "validation": 0.3}
CPU = Hardware(accelerator="cpu", workers=1)


def pictures_of(folder, splits=()):
    """A cohort of 24 participants, in turn of each class; pairs of them in turn of each split."""
    rows = []
    for index in range(24):
        write_picture(folder / f"{index}.png", index, index % 2 == 1)
        cells = {"image": f"{index}.png", "label": "ab"[index % 2]}
        if splits:
            cells["split"] = splits[index // 2 % len(splits)]
        rows.append({"participant_id": f"p{index}", **cells})
    return open_cohort(write_table(folder, rows))


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return pictures_of(tmp_path_factory.mktemp("tried"))


@pytest.fixture(scope="module")
def checked(cohort):
    return check_cohort(cohort, workers=1, progress=False)


def planned(checked, **options):
    config = TrainingConfig(**options)
    return tries_of(make_plan(checked, config), config)


def test_tries_differ_in_one_value_that_is_not_given(checked):
    first, network, rate, epochs = planned(checked, tries=4)
    plan = first.plan.model_dump()
    assert network.plan.model_dump() == plan | {"network": "resnet18"}
    assert rate.plan.model_dump() == plan | {"learning_rate": 5e-4}
    assert epochs.plan.model_dump() == plan | {"epochs": 200, "patience": 100}
    file = PlanOptions(learning_rate=1e-3)
    names = [one.name for one in planned(checked, tries=2, network="small", plan=file)]
    assert names == ["as planned", "more epochs"]
    assert len(planned(checked)) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tries": 5}, r"there are 4 plans to try \(as planned, network resnet18, .*not 5"),
        ({"tries": 2, "budget": 60.0}, "leave out --budget or --try"),
    ],
)
def test_tries_that_do_not_exist_are_refused(checked, options, said):
    with pytest.raises(InputError, match=said):
        planned(checked, **options)


def test_tries_that_cannot_be_compared_are_refused(cohort, tmp_path):
    config = TrainingConfig(**OPTIONS | {"tries": 2, "validation": 0.0})
    with pytest.raises(InputError, match="--validation above 0"):
        train_cohort(cohort, tmp_path / "run", config, hardware=CPU, progress=False)
    assert not (tmp_path / "run").exists()


def test_tries_are_compared_on_the_validation_scans_of_a_table(tmp_path, monkeypatch):
    split = pictures_of(tmp_path, ("train", "train", "validation", "test"))
    monkeypatch.setattr(tries, "OTHER_NETWORKS", {"small": TINY})
    config = TrainingConfig(tries=2, epochs=2, shape=(16, 16), batch_size=4)
    train_cohort(split, tmp_path / "run", config, hardware=CPU, progress=False)
    run = Run.open(tmp_path / "run")
    images = json.loads((run.folder / "fold-1" / "fold.json").read_text())["images"]
    assert images == {"train": 12, "validation": 6, "test": 6}
    assert run.plan.validation == 0
    assert read_chosen(run.folder / "fold-1" / "tries.tsv") in ("as planned", f"network {TINY}")


@pytest.fixture(scope="module")
def run(cohort, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tries, "OTHER_NETWORKS", {"small": TINY})
        config = TrainingConfig(tries=3, **OPTIONS)
        train_cohort(cohort, folder, config, hardware=CPU, progress=False)
    return Run.open(folder)


def test_each_fold_keeps_the_network_with_the_lowest_validation_loss(run):
    for fold in (1, 2):
        folder = run.folder / f"fold-{fold}"
        table = pd.read_csv(folder / "tries.tsv", sep="\t")
        assert table["try"].tolist() == ["as planned", f"network {TINY}", "lower learning rate"]
        assert table["chosen"].sum() == 1
        chosen = table.loc[table["validation_loss"].idxmin()]
        assert chosen["chosen"] == 1
        history = pd.read_csv(folder / "history.tsv", sep="\t")
        assert history["validation_loss"].min() == chosen["validation_loss"]
        assert json.loads((folder / "fold.json").read_text())["network"] == chosen["network"]
        model = run.explainer(fold).model
        assert isinstance(model, SmallCNN)
        assert (len(model.blocks) > 1) == (chosen["network"] == "small")  # one block: tiny
        assert not (folder / "checkpoints").exists()


def test_the_first_try_is_what_is_trained_without_others(run, cohort, tmp_path):
    train_cohort(
        cohort, tmp_path / "alone", TrainingConfig(**OPTIONS), hardware=CPU, progress=False
    )
    for fold in (1, 2):
        table = pd.read_csv(run.folder / f"fold-{fold}" / "tries.tsv", sep="\t")
        alone = pd.read_csv(tmp_path / f"alone/fold-{fold}/history.tsv", sep="\t")
        assert table["validation_loss"][0] == alone["validation_loss"].min()


def test_a_run_that_was_killed_among_its_tries_ends_as_if_it_had_not_been(
    run, cohort, tmp_path, monkeypatch
):
    monkeypatch.setattr(tries, "OTHER_NETWORKS", {"small": TINY})
    config = TrainingConfig(tries=3, **OPTIONS)
    real, calls = tries.train_best, []

    def stopped(folder, plans, train, progress=None):
        def train_twice(place, plan):
            if len(calls) == 2:
                raise KeyboardInterrupt
            calls.append(place)
            train(place, plan)

        return real(folder, plans, train_twice, progress)

    monkeypatch.setattr("hrcam.training.fold.train_best", stopped)
    with pytest.raises(KeyboardInterrupt):
        train_cohort(cohort, tmp_path / "run", config, hardware=CPU, progress=False)
    assert not (tmp_path / "run/fold-1/network.safetensors").exists()
    monkeypatch.setattr("hrcam.training.fold.train_best", real)
    train_cohort(cohort, tmp_path / "run", config, hardware=CPU, progress=False)
    for name in ("tries.tsv", "history.tsv", "network.safetensors", "predictions.tsv"):
        for fold in ("fold-1", "fold-2"):
            found = (tmp_path / "run" / fold / name).read_bytes()
            assert found == (run.folder / fold / name).read_bytes()
