"""Which cohorts a benchmark measures, and how they are opened."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image as Pillow

from hrcam.benchmark.cohorts import lesion_free_classes, open_planned
from hrcam.benchmark.suite import MeasurementSizes, PlannedCohort, plan_suite
from hrcam.cohort.scan import Scan
from hrcam.errors import InputError
from hrcam.simulate import NeuromelaninCohort
from hrcam.training import TrainingConfig

EFFORT = MeasurementSizes(
    images=4, attributions=2, faithfulness=1, robustness=2, comparison_epochs=1
)


def planned(source, **options):
    return PlannedCohort(
        name="one", source=source, training=TrainingConfig(), sizes=EFFORT, **options
    )


def scan(name, label, mask=False):
    return Scan(name, name, {"image": Path(name)}, label, Path("mask") if mask else None, name)


def test_quick_is_small_and_full_is_the_size_of_the_paper():
    quick, full = plan_suite("quick"), plan_suite("full")
    assert [one.name for one in quick.cohorts] == ["lesions", "tumours", "neuromelanin"]
    assert (quick.seeds, full.seeds) == (1, 3)
    by_name = {one.name: one for one in full.cohorts}
    assert by_name["lesions"].source.subjects == 8000
    assert by_name["lesions-3d"].source.dimensions == 3
    small = by_name["neuromelanin"]
    assert small.source.subjects * small.source.positive_fraction == 45
    assert small.cross_validated


def test_given_cohorts_are_added_and_some_can_be_chosen(tmp_path):
    plan = plan_suite("quick", {"busi": tmp_path}, ["busi", "tumours"], seeds=2)
    assert [one.name for one in plan.cohorts] == ["tumours", "busi"]
    assert plan.cohorts[1].source == tmp_path
    assert plan.seeds == 2


@pytest.mark.parametrize(
    ("given", "only", "message"),
    [
        ({"Lesions": Path()}, (), "already"),
        ({"../x": Path()}, (), "cannot be called"),
        ({"": Path()}, (), "cannot be called"),
        ({}, ["busi"], "--cohort NAME=PATH"),
    ],
)
def test_names_that_cannot_be_used_are_refused(given, only, message):
    with pytest.raises(InputError, match=message):
        plan_suite("quick", given, only)


def test_a_simulated_cohort_is_written_once_and_knows_the_nigra(tmp_path):
    plan = planned(NeuromelaninCohort(subjects=8, size=48), cross_validated=True)
    opened = open_planned(plan, tmp_path, workers=1, progress=False)
    assert opened.kind == "simulated"
    assert [one.split for one in opened.cohort.scans] == [None] * 8
    assert set(opened.nigra) == {one.participant for one in opened.cohort.scans}
    assert all(path.is_file() for path in opened.nigra.values())
    image = next((tmp_path / "images").iterdir())
    before = image.stat().st_mtime_ns
    assert open_planned(plan, tmp_path, workers=1, progress=False).sha256 == opened.sha256
    assert image.stat().st_mtime_ns == before


def test_the_split_of_a_simulated_cohort_is_kept_unless_it_is_cross_validated(tmp_path):
    plan = planned(NeuromelaninCohort(subjects=20, size=48))
    opened = open_planned(plan, tmp_path, workers=1, progress=False)
    assert {one.split for one in opened.cohort.scans} == {"train", "test"}


def test_a_given_cohort_is_real_and_another_table_has_another_hash(tmp_path):
    for name in "abcd":
        pixels = np.random.default_rng(ord(name)).integers(0, 255, (8, 8))
        Pillow.fromarray(pixels.astype(np.uint8)).save(tmp_path / f"{name}.png")
    table = pd.DataFrame(
        {
            "participant_id": list("abcd"),
            "image": [f"{name}.png" for name in "abcd"],
            "label": ["ill", "ill", "well", "well"],
        }
    )

    def opened():
        table.to_csv(tmp_path / "participants.tsv", sep="\t", index=False)
        return open_planned(planned(tmp_path), tmp_path / "unused", progress=False)

    first = opened()
    assert first.kind == "real"
    assert first.nigra == {}
    assert not (tmp_path / "unused").exists()
    table.loc[0, "label"] = "well"
    assert opened().sha256 != first.sha256


def test_a_class_without_masks_is_lesion_free_where_others_have_some():
    mixed = (scan("a", "ill", True), scan("b", "ill"), scan("c", "well"))
    assert lesion_free_classes(mixed) == {"well"}
    assert lesion_free_classes((scan("a", "ill"), scan("b", "well"))) == set()


@pytest.mark.parametrize(
    ("groups", "folds", "validation"), [(1, 2, 0.0), (3, 3, 0.0), (5, 5, None), (12, 5, None)]
)
def test_with_fewer_groups_than_folds_one_is_left_out_at_a_time(
    tmp_path, groups, folds, validation
):
    rows = ["participant_id\timage\tlabel\tgroup"]
    for index in range(12):
        Pillow.fromarray(np.full((8, 8), index, np.uint8)).save(tmp_path / f"{index}.png")
        rows.append(f"s{index}\t{index}.png\t{'ab'[index % 2]}\tpatient{index % groups}")
    (tmp_path / "participants.tsv").write_text("\n".join(rows) + "\n")
    training = open_planned(planned(tmp_path), tmp_path / "unused").plan.training
    assert (training.folds, training.validation) == (folds, validation)
