"""Which images a unit measures, and what makes a finished unit another one."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image as Pillow

from hrcam.artifacts.run_tables import Prediction
from hrcam.benchmark.cohorts import OpenedCohort
from hrcam.benchmark.images.measured import check_masks, choose_images, subjects_table
from hrcam.benchmark.measurement import COLUMNS
from hrcam.benchmark.suite import MeasurementSizes, PlannedCohort
from hrcam.benchmark.unit import is_finished
from hrcam.benchmark.unit_parts import (
    best_of_each_rival,
    best_rivals,
    seconds_by_part,
    timed,
)
from hrcam.benchmark.unit_runs import UnitRuns
from hrcam.benchmark.variant import Stage, Variant
from hrcam.cohort import open_cohort
from hrcam.errors import InputError
from hrcam.preparation import Preparation
from hrcam.training import TrainingConfig

LABELS = ("benign", "malignant", "normal")
CPU = torch.device("cpu")


class Leaning(torch.nn.Module):
    """Finds everything normal, and of the others malignant likelier."""

    def forward(self, images):
        return torch.tensor([[0.0, 1.0, 5.0]]).repeat(len(images), 1)


@dataclass
class FakeRun:
    """What `hrcam.training.Run` offers to the choice of images, without a training."""

    predictions: tuple[Prediction, ...]
    tested: dict[str, int]
    classes: tuple[str, ...] = LABELS

    @property
    def preparation(self):
        return Preparation(
            dimensions=2, channels=("image",), in_channels=1, shape=(16, 16), spacing=None,
            orientation="stored", left_right=None, crop_to_foreground=False,
        )  # fmt: skip

    def folds_for(self, scan, voxel_hash):
        fold = self.tested.get(scan.name)
        return ((1, 2), True) if fold is None else ((fold,), False)

    def explainer(self, fold):
        @dataclass
        class Explainer:
            model: torch.nn.Module

        return Explainer(Leaning())


def cohort_of(folder, masks=True):
    """Twelve pictures: of each class four; some masks are empty, some are not drawn."""
    (folder / "masks").mkdir(parents=True)
    rows = []
    for index in range(12):
        generator = np.random.default_rng(index)
        name, label = f"p{index:02d}", LABELS[index % 3]
        pixels = generator.integers(0, 255, (16, 16)).astype(np.uint8)
        Pillow.fromarray(pixels).save(folder / f"{name}.png")
        mask = np.zeros((16, 16), np.uint8)
        if label != "normal":
            mask[2:6, 3 : 5 + index] = 255
        drawn = masks and index not in (0, 4)
        if drawn:
            Pillow.fromarray(mask).save(folder / "masks" / f"{name}.png")
        rows.append((name, f"{name}.png", label, f"masks/{name}.png" if drawn else "n/a"))
    columns = ["participant_id", "image", "label", "mask"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "participants.tsv", sep="\t", index=False)
    sizes = MeasurementSizes(
        images=9, attributions=1, faithfulness=1, robustness=1, comparison_epochs=1
    )
    plan = PlannedCohort(name="one", source=folder, training=TrainingConfig(), sizes=sizes)
    return OpenedCohort(plan, open_cohort(folder), {})


def runs_of(names):
    """A run whose network calls everybody malignant."""
    predictions = tuple(
        Prediction(
            scan=name, participant=name, group=name, label=LABELS[int(name[1:]) % 3],
            predicted="malignant", fold=1, network=(0.0, 1.0, 0.0), head=None,
        )
        for name in names
    )  # fmt: skip
    run = FakeRun(predictions, {name: 1 + int(name[1:]) % 2 for name in names})
    return UnitRuns(run, run, run)


@pytest.fixture
def opened(tmp_path):
    return cohort_of(tmp_path / "cohort")


@pytest.fixture
def runs():
    return runs_of([f"p{index:02d}" for index in range(1, 12)])


def names(folds):
    return sorted(scan.name for images in folds for scan in images.scans)


def test_images_with_a_lesion_and_images_without_are_told_apart(opened, runs):
    measured = choose_images(opened, runs, CPU)
    assert names(measured.lesions) == ["p01", "p03", "p06", "p07", "p09", "p10"]  # 04 is not drawn
    assert names(measured.lesion_free) == ["p02", "p05", "p08", "p11"]  # 00 is not tested
    for images in measured.lesions:
        assert [LABELS[one] for one in images.classes] == [scan.label for scan in images.scans]
        assert all(1 + int(scan.name[1:]) % 2 == images.fold for scan in images.scans)
    for images in measured.lesion_free:  # not "normal", which has no lesion to be explained
        assert [LABELS[one] for one in images.classes] == ["malignant"] * len(images.scans)


def test_there_are_no_more_images_than_asked_for_and_always_the_same(opened, runs, tmp_path):
    sizes = replace(opened.plan.sizes, images=3)
    few = replace(opened, plan=replace(opened.plan, sizes=sizes))
    measured = choose_images(few, runs, CPU)
    assert (len(names(measured.lesions)), len(names(measured.lesion_free))) == (3, 3)
    again = choose_images(
        replace(few, cohort=replace(few.cohort, scans=few.cohort.scans[::-1])), runs, CPU
    )
    assert names(again.lesions) == names(measured.lesions)
    assert names(again.lesion_free) == names(measured.lesion_free)


def test_a_class_in_which_nobody_has_a_mask_is_free_of_lesions(opened, runs):
    scans = tuple(
        replace(scan, mask=None) if scan.label == "normal" else scan for scan in opened.cohort.scans
    )
    undrawn = replace(opened, cohort=replace(opened.cohort, scans=scans))
    assert names(choose_images(undrawn, runs, CPU).lesion_free) == ["p02", "p05", "p08", "p11"]


def test_the_nigra_counts_in_patients_whose_class_is_told(opened, runs):
    nigra = {scan.participant: scan.mask for scan in opened.cohort.scans if scan.mask}
    found = choose_images(replace(opened, nigra=nigra), runs, CPU).nigra
    assert sorted(found) == ["p01", "p07", "p10"]  # everybody was called malignant
    assert found["p01"].sum() == 4 * 3


def test_sizes_are_of_measured_images(opened, runs):
    measured = choose_images(opened, runs, CPU)
    table = subjects_table(opened.cohort.scans, measured).set_index("subject")
    assert len(table) == 12
    assert table.loc["p01", "lesion_share"] == pytest.approx(4 * 3 / 256)
    assert table.loc["p02", "lesion_share"] == 0
    assert np.isnan(table.loc["p04", "lesion_share"])
    assert table["has_mask"].sum() == 6
    assert (table.loc[table["has_mask"], "contrast"] >= 0).all()


def test_too_few_masks_are_told_before_anything_is_trained(tmp_path, runs):
    with pytest.raises(InputError, match="one: of what is tested, 0 subjects"):
        check_masks(cohort_of(tmp_path / "bare", masks=False))


def test_masks_that_are_all_empty_are_told_too(opened):
    with pytest.raises(InputError, match="0 subjects have a mask"):
        choose_images(opened, runs_of(["p02", "p05", "p08"]), CPU)


def test_masks_of_training_images_are_not_enough(opened):
    scans = tuple(replace(scan, split="train") for scan in opened.cohort.scans)
    with pytest.raises(InputError, match="split test"):
        check_masks(replace(opened, cohort=replace(opened.cohort, scans=scans)))


def located(*rows):
    return pd.DataFrame(
        [(*row[:4], *(row[5:] or ("as read",)), "auprc", row[4]) for row in rows],
        columns=list(COLUMNS),
    )


def test_the_best_rivals_are_chosen_by_their_mean():
    table = located(
        ("a", "HR-CAM pattern", "", "", "0.9"),
        ("a", "brightness", "", "", "0.8"),
        ("a", "X", "fine", "", "0.6"),
        ("b", "X", "fine", "", "0.2"),
        ("a", "X", "coarse", "", "0.3"),
        ("b", "X", "coarse", "", "0.3"),
        ("a", "X", "", "mean", "0.1"),
        ("a", "Y", "", "max", "0.2"),
        ("a", "Y", "fine", "", "0.35"),
        ("a", "HR-CAM (2019)", "", "", "0.9", "refined"),
        ("a", "X", "fine", "", "0.5", "refined"),
        ("a", "X", "coarse", "", "0.7", "refined"),
    )
    refined = Variant("X", "coarse", stage=Stage.REFINED)
    assert best_rivals(table) == [Variant("X", "fine"), refined, Variant("Y", fusion="max")]
    assert best_of_each_rival(table) == [refined, Variant("X", "fine"), Variant("Y", "fine")]
    assert best_rivals(located(("a", "HR-CAM pattern", "", "", "0.9"))) == []


def test_durations_of_interrupted_parts_add_up(tmp_path):
    for _ in range(2):
        with timed(tmp_path, "training"):
            pass
    with pytest.raises(ZeroDivisionError), timed(tmp_path, "mapping"):
        raise ZeroDivisionError
    assert set(seconds_by_part(tmp_path)) == {"training"}


def test_a_damaged_unit_is_not_taken_for_a_finished_one(opened, tmp_path):
    assert not is_finished(opened, 0, tmp_path)
    (tmp_path / "unit.json").write_text('{"cohort": "on')
    with pytest.raises(InputError, match="damaged"):
        is_finished(opened, 0, tmp_path)
    (tmp_path / "unit.json").write_text(json.dumps({"cohort": "another"}))
    with pytest.raises(InputError, match="cohort was another, is one"):
        is_finished(opened, 0, tmp_path)
