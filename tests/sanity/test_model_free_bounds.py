"""Maps against maps that need no model: the mean map among them, by masks and by similarity."""

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from hrcam.artifacts.check_results import HRCAM_AUPRC
from hrcam.evaluation.model_free_maps import centre_blob
from hrcam.sanity.model_free_bounds import (
    MaskedImages,
    compare_with_bounds,
    score_against_bounds,
)

SIZE = 24


def masked(number=8, centred=False, participants=None, noise=0.4):
    """Images of noise, each with a bright square that is its mask, at the centre or anywhere."""
    generator = torch.Generator().manual_seed(0)
    images = noise * torch.randn(number, 1, SIZE, SIZE, generator=generator)
    masks = torch.zeros(number, SIZE, SIZE, dtype=torch.bool)
    corners = torch.randint(0, SIZE - 6, (number, 2), generator=generator)
    for image, mask, (y, x) in zip(images, masks, corners.tolist(), strict=True):
        if centred:
            y = x = SIZE // 2 - 3
        mask[y : y + 6, x : x + 6] = True
        image[0, mask] += 0.5
    return MaskedImages(
        images,
        torch.ones(number, dtype=torch.long),
        torch.ones_like(masks),
        masks,
        participants or tuple(map(str, range(number))),
    )


def near(truth, seed=1, sign=1, noise=0.3):
    """Maps that are high in the masks, with noise."""
    generator = torch.Generator().manual_seed(seed)
    return sign * (truth.masks + noise * torch.randn(truth.masks.shape, generator=generator))


@pytest.mark.parametrize("sign", [1, -1])
def test_a_map_that_marks_the_masks_beats_every_bound(sign):
    truth = masked()
    maps = near(truth, sign=sign)
    check = score_against_bounds(truth, maps)
    assert check.passed
    ours = [
        average_precision_score(mask.ravel(), values.abs().ravel())
        for values, mask in zip(maps, truth.masks, strict=True)
    ]
    assert check.details[HRCAM_AUPRC] == pytest.approx(np.mean(ours))
    bounds = {name: value for name, value in check.details.items() if name != HRCAM_AUPRC}
    assert set(bounds) == {
        "a blob at the centre", "brightness", "darkness", "edges", "the mean map of other scans",
    }  # fmt: skip
    best = truth.images[:, 0]
    assert max(bounds, key=bounds.get) == "brightness"
    theirs = [
        average_precision_score(mask.ravel(), values.ravel())
        for values, mask in zip(best, truth.masks, strict=True)
    ]
    np.testing.assert_allclose(check.values, np.subtract(ours, theirs), atol=1e-6)


def test_where_lesions_lie_at_the_centre_a_blob_there_beats_a_poor_map():
    truth = masked(centred=True)
    check = score_against_bounds(truth, near(truth, noise=1.0))
    assert check.passed is False
    assert check.details["a blob at the centre"] > 0.9 > check.details[HRCAM_AUPRC]
    assert check.value == pytest.approx(
        check.details[HRCAM_AUPRC] - check.details["a blob at the centre"]
    )


def test_a_map_that_is_the_same_for_every_scan_is_no_better_than_the_mean_map():
    truth = masked()
    check = score_against_bounds(truth, near(truth)[:1].expand(8, -1, -1))
    assert check.details["the mean map of other scans"] == pytest.approx(check.details[HRCAM_AUPRC])
    assert check.passed is False


def test_only_positions_of_the_region_are_scored():
    truth = masked()
    maps = near(truth)
    maps[:, :2] = 9  # far from right, in the rows that do not count
    truth.region[:, :2] = False
    assert score_against_bounds(truth, maps).details[HRCAM_AUPRC] > 0.85
    truth.region[:, :2] = True
    assert score_against_bounds(truth, maps).details[HRCAM_AUPRC] < 0.8


def test_a_lead_that_may_be_chance_is_undecided():
    """One participant in whom the map is far better than brightness, three in whom it is worse."""
    truth = masked(4)
    maps = truth.images[:, 0].abs() + 0.0
    maps[0] = truth.masks[0] + 0.0
    check = score_against_bounds(truth, maps)
    assert check.passed is None
    assert "on 4 scans with a mask" in check.reason
    assert "too few scans to tell" in check.reason
    assert check.details[HRCAM_AUPRC] > max(
        value for name, value in check.details.items() if name != HRCAM_AUPRC
    )


def test_without_masks_a_map_that_is_alike_everywhere_fails():
    truth = masked()
    images, region = truth.images, truth.region
    blob = centre_blob(images)
    noise = 0.02 * near(truth, noise=1.0)
    check = compare_with_bounds(images, region, blob + noise)
    assert check.passed is False
    assert check.details["nearness to the centre"] > 0.7
    # A map that is the same for every scan, and like none of the others.
    constant = torch.randn(1, SIZE, SIZE, generator=torch.Generator().manual_seed(5))
    check = compare_with_bounds(images, region, constant.expand(8, -1, -1))
    assert check.passed is False
    assert check.value == check.details["the mean map of other scans"] == pytest.approx(1)
    assert compare_with_bounds(images, region, near(truth)).passed
    few = compare_with_bounds(images[:3], region[:3], near(truth)[:3])
    assert "the mean map of other scans" not in few.details
