import numpy as np
import pytest

from hrcam.errors import InputError
from hrcam.evaluation.localisation import auprc, choose_threshold, dice, score_maps
from hrcam.evaluation.table import crossed_thresholds, localisation_table, scores_table


@pytest.fixture
def masks():
    masks = np.zeros((9, 12, 12), bool)
    for index in range(8):
        masks[index, index : index + 3, 2:6] = True
    return masks


@pytest.fixture
def maps(masks):
    noise = np.random.default_rng(0).normal(size=masks.shape)
    return {"good": noise + 3 * masks, "poor": noise + 0.5 * masks}


def test_one_row_per_method_with_its_interval(maps, masks):
    table = localisation_table(maps, masks, thresholds={"good": 1.5, "poor": 1.5})
    assert list(table.columns) == [
        "method",
        *("auprc", "auprc_low", "auprc_high"),
        *("pointing", "pointing_low", "pointing_high"),
        *("dice", "dice_low", "dice_high"),
        "images",
    ]
    assert table["method"].tolist() == ["good", "poor"]
    assert table["images"].tolist() == [8, 8]
    good = table.iloc[0]
    expected = [auprc(m, t) for m, t in zip(maps["good"][:8], masks[:8], strict=True)]
    assert good["auprc"] == pytest.approx(np.mean(expected))
    assert good["auprc_low"] <= good["auprc"] <= good["auprc_high"]
    at = [dice(m, t, 1.5) for m, t in zip(maps["good"][:8], masks[:8], strict=True)]
    assert good["dice"] == pytest.approx(np.mean(at))
    assert (table.loc[0, ["auprc", "dice"]] > table.loc[1, ["auprc", "dice"]]).all()


def test_is_the_table_of_its_scores(maps, masks):
    scores = {name: score_maps(stack, masks, 1.5) for name, stack in maps.items()}
    thresholds = dict.fromkeys(maps, 1.5)
    assert scores_table(scores, seed=3).equals(
        localisation_table(maps, masks, thresholds=thresholds, seed=3)
    )


def test_lists_of_different_shapes_and_groups():
    masks = [np.eye(n, dtype=bool) for n in (3, 4, 5, 6)]
    table = localisation_table({"m": [2.0 * m for m in masks]}, masks, groups=list("aabb"))
    assert table.loc[0, ["auprc", "pointing", "dice"]].tolist() == [1, 1, 1]


def test_no_image_has_a_say_in_its_own_threshold(maps, masks):
    thresholds = crossed_thresholds(maps["good"], masks, seed=1)
    halves = [np.flatnonzero(np.equal(thresholds, value)) for value in set(thresholds[:8])]
    assert sorted(len(half) for half in halves) == [4, 4]
    for half, other in (halves, halves[::-1]):
        assert thresholds[half[0]] == choose_threshold(maps["good"][other], masks[other])
    assert np.isnan(thresholds[8])


def test_the_split_keeps_subjects_together(maps, masks):
    groups = np.array(["a", "b", "c"] * 3)
    thresholds = np.array(crossed_thresholds(maps["good"], masks, groups))[:8]
    for name in "abc":
        assert len(set(thresholds[groups[:8] == name])) == 1


def test_refuses(maps, masks):
    with pytest.raises(InputError, match="No threshold is given for 'poor'"):
        localisation_table(maps, masks, thresholds={"good": 1.0})
    with pytest.raises(InputError, match="9 maps were given for 8 masks"):
        localisation_table(maps, masks[:8])
    with pytest.raises(InputError, match="Groups have shape"):
        localisation_table(maps, masks, groups=["a", "b"])
    with pytest.raises(InputError, match="subjects with a lesion: 1"):
        localisation_table(maps, masks, groups=["a"] * 9)
    with pytest.raises(InputError, match="at least two subjects"):
        localisation_table(maps, masks, groups=["a"] * 9, thresholds={"good": 1.0, "poor": 1.0})
