"""Scores of maps whose scores are known, and thresholds that come from other subjects."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hrcam.benchmark.images.fold_images import FoldImages
from hrcam.benchmark.images.measured import MeasuredImages, lesion_contrast, sample_images, subset
from hrcam.benchmark.measures import localisation as module
from hrcam.benchmark.measures.localisation import localisation
from hrcam.benchmark.variant import Variant
from hrcam.cohort.image import Image
from hrcam.cohort.scan import Scan
from hrcam.demo.method_scores import score_methods
from hrcam.errors import InputError

GOOD, POOR = Variant("good"), Variant("poor", "coarse")
SIZE = (12, 10)


def fold(number, names, mask_at=None):
    """Images with a lesion of 2 × 2 each, or with none."""
    masks = []
    for index in range(len(names)):
        mask = np.zeros(SIZE, bool)
        if mask_at is not None:
            mask[index + mask_at : index + mask_at + 2, 3:5] = True
        masks.append(mask)
    scans = tuple(Scan(name, name, {"image": Path(name)}, "ill", group=name) for name in names)
    return FoldImages(
        number, scans, (None,) * len(names), torch.zeros(len(names)).long(), tuple(masks)
    )


def mapper(images):
    """A perfect map, and one that knows nothing; both differ from subject to subject."""
    for place, (scan, mask) in enumerate(zip(images.scans, images.masks, strict=True)):
        generator = np.random.default_rng(sum(scan.name.encode()))
        noise = generator.random(SIZE).astype(np.float32)
        yield place, {GOOD: np.where(mask, np.float32(1), noise / 4), POOR: noise}


def measured(lesion_free=True, nigra=None):
    lesions = (fold(1, ["a", "b", "c"], 1), fold(2, ["d", "e"], 4))
    return MeasuredImages(lesions, (fold(1, ["x", "y", "z"]),) if lesion_free else (), nigra or {})


def table(measurements):
    return {(one.subject, one.variant, one.measure): one.value for one in measurements}


def test_a_perfect_map_is_perfect_and_noise_is_not():
    found = table(localisation(mapper, measured()))
    for name in "abcde":
        for measure in ("auprc", "pointing", "dice", "iou"):
            assert found[name, GOOD, measure] == 1
        assert found[name, POOR, "auprc"] < 0.8
        assert found[name, POOR, "mass_inside"] == pytest.approx(4 / 120, abs=0.04)
    for name in "xyz":
        assert found[name, GOOD, "false_positives"] == 0
        assert found[name, GOOD, "false_positive_share"] == 0
        assert (name, GOOD, "auprc") not in found
    assert sum(found[name, POOR, "false_positives"] for name in "xyz") > 0


def test_scores_are_those_of_the_demo():
    images = measured(lesion_free=False)
    found = table(localisation(mapper, images))
    maps = {GOOD: [], POOR: []}
    masks, names = [], []
    for one in images.lesions:
        for place, by_variant in mapper(one):
            for variant, values in by_variant.items():
                maps[variant].append(values)
            masks.append(one.masks[place])
            names.append(one.scans[place].name)
    scores = score_methods(maps, masks)
    for variant, score in scores.items():
        for measure in ("auprc", "pointing"):
            expected = dict(zip(names, getattr(score, measure), strict=True))
            assert {name: found[name, variant, measure] for name in names} == expected


def test_no_subject_has_a_say_in_its_own_threshold():
    def loud(images):
        for place, maps in mapper(images):
            own = images.scans[place].name == "a"
            yield place, {GOOD: maps[GOOD] + 100 * own}

    # With the 100 of "a" a threshold of its own half would be 100 more, and find nothing in b.
    plain, changed = (table(localisation(one, measured())) for one in (mapper, loud))
    assert changed["a", GOOD, "dice"] == pytest.approx(2 * 4 / (120 + 4))
    same_half = [
        name for name in "bcde" if changed[name, GOOD, "dice"] == plain[name, GOOD, "dice"] == 1
    ]
    assert len(same_half) >= 1
    assert changed["a", GOOD, "auprc"] == 1


def test_little_memory_changes_thresholds_and_nothing_else(monkeypatch):
    whole = table(localisation(mapper, measured()))
    calls = []

    def counted(images):
        calls.append(len(images.scans))
        return mapper(images)

    monkeypatch.setattr(module, "_KEPT", 1)
    small = table(localisation(counted, measured()))
    assert small.keys() == whole.keys()
    for key, value in whole.items():
        if key[2] in ("auprc", "pointing", "mass_inside"):
            assert small[key] == value
    assert sum(calls) == 1 + 5 + 3  # one to see how large maps are
    for name in "abcde":
        assert small[name, GOOD, "dice"] == 1


def test_groups_are_not_divided():
    """Two subjects, three images each: the threshold of one comes from the other alone."""
    images = fold(1, list("abcdef"), 1)
    scans = tuple(replace(scan, group="one" if scan.name < "d" else "two") for scan in images.scans)

    def scaled(part):
        for place, maps in mapper(part):
            factor = 1 if part.scans[place].group == "one" else 1000
            yield place, {GOOD: maps[GOOD] * factor}

    whole = MeasuredImages((replace(images, scans=scans),), (), {})
    found = table(localisation(scaled, whole))
    for name in "abc":  # nothing reaches the threshold of the other subject
        assert found[name, GOOD, "dice"] == 0
    for name in "def":
        assert 0 < found[name, GOOD, "dice"] < 1


def test_the_maximum_is_looked_for_in_the_nigra_of_those_who_have_one():
    nigra = np.zeros(SIZE, bool)
    nigra[:4] = True  # the lesion of "a" is in rows 1 and 2
    images = measured(nigra={"a": nigra, "d": ~nigra, "e": nigra})
    found = table(localisation(mapper, images))
    scores = {name: found.get((name, GOOD, "maximum_in_nigra")) for name in "abcde"}
    assert scores == {"a": 1, "b": None, "c": None, "d": 1, "e": 0}


def test_one_subject_is_not_enough():
    with pytest.raises(InputError, match="two or more"):
        localisation(mapper, MeasuredImages((fold(1, ["a"], 1),), (), {}))


def test_some_images_depend_on_names_alone():
    one = [fold(1, list("abcd"), 1), fold(2, list("efgh"), 1)]
    other = [fold(1, list("hgae"), 1), fold(2, list("fbdc"), 1)]

    def names(folds):
        return {scan.name for images in sample_images(folds, 3) for scan in images.scans}

    assert names(one) == names(other)
    assert len(names(one)) == 3
    assert names([*one]) <= set("abcdefgh")
    assert sum(len(images.scans) for images in sample_images(one, 100)) == 8


def test_some_images_are_of_as_many_subjects_as_there_are():
    images = fold(1, list("abcdefgh"), 1)
    groups = "mmmmmmmn"
    scans = tuple(
        replace(scan, group=group) for scan, group in zip(images.scans, groups, strict=True)
    )
    some = sample_images([replace(images, scans=scans)], 2)
    assert {scan.group for scan in some[0].scans} == {"m", "n"}


def test_a_part_keeps_everything_together():
    images = replace(fold(1, list("abcd"), 1), classes=torch.tensor([3, 2, 1, 0]))
    part = subset(images, [2, 0])
    assert [scan.name for scan in part.scans] == ["c", "a"]
    assert part.classes.tolist() == [1, 3]
    assert part.masks[0] is images.masks[2]


def test_folds_come_together():
    images = measured()
    joined = images.by_fold
    assert [one.fold for one in joined] == [1, 2]
    assert [scan.name for scan in joined[0].scans] == ["a", "b", "c", "x", "y", "z"]
    assert len(joined[0].masks) == len(joined[0].classes) == 6


def test_contrast_by_hand():
    voxels = np.zeros((2, 20, 20), np.float32)
    mask = np.zeros((20, 20), bool)
    mask[9:11, 9:11] = True
    voxels[1] = 4 * mask
    voxels[0, 0, 0] = 1  # a channel that does not show the lesion
    image = Image(voxels, np.eye(4), (20, 20), "picture")
    share = 4 / 400
    spread = 4 * np.sqrt(share * (1 - share))
    assert lesion_contrast(image, mask) == pytest.approx(4 / spread, rel=1e-5)
    assert np.isnan(lesion_contrast(image, np.ones((20, 20), bool)))
