import numpy as np
import pytest
import torch

from hrcam.errors import InputError
from hrcam.evaluation.model_free_maps import centre_blob, random_maps
from hrcam.sanity.stability import (
    pairwise_agreement,
    stability_to_noise,
    stability_to_shifts,
)

GRIDS = pytest.mark.parametrize("grid", [(16, 19), (9, 10, 11)], ids=["2D", "3D"])
CLASSES = torch.tensor([0, 1, 0])


def squared(images, classes):
    """Map every voxel for itself: whatever is done to the image is done to the map."""
    return images.square().mean(1)


def test_agreement_by_hand():
    # Of three runs two agree and the third is upside down: pairs of 1, −1 and −1.
    maps = torch.randn(2, 6, 7)
    agreement = pairwise_agreement([maps, maps, -maps], share=0.2)
    assert agreement.spearman == pytest.approx([-1 / 3, -1 / 3])
    assert agreement.overlap == pytest.approx([1 / 3, 1 / 3])


def test_agreement_of_identical_and_of_unrelated_runs():
    maps = [torch.randn(2, 40, 40) for _ in range(3)]
    same = pairwise_agreement([maps[0]] * 4)
    assert same.spearman == pytest.approx([1, 1])
    assert same.overlap == pytest.approx([1, 1])
    unrelated = pairwise_agreement(maps, share=0.1)
    assert np.abs(unrelated.spearman).max() < 0.1
    # Of two random tenths a hundredth is shared: 0.01 / 0.19.
    assert unrelated.overlap == pytest.approx([0.01 / 0.19] * 2, abs=0.05)


def test_agreement_in_a_region():
    # The background is the same in all runs; the brain is not.
    first, second = torch.randn(2, 1, 30, 30)
    brain = torch.zeros(30, 30, dtype=torch.bool)
    brain[10:20, 10:20] = True
    first[:, ~brain] = second[:, ~brain] = torch.linspace(-9, -5, 800)
    assert pairwise_agreement([first, second]).spearman[0] > 0.9
    assert abs(pairwise_agreement([first, second], brain).spearman[0]) < 0.3


@GRIDS
@pytest.mark.parametrize("voxels", [1, 2, 3])
def test_a_map_that_moves_with_the_image_is_stable(grid, voxels):
    agreement = stability_to_shifts(squared, torch.randn(3, 2, *grid), CLASSES, voxels)
    assert agreement.spearman == pytest.approx([1, 1, 1])
    assert agreement.overlap == pytest.approx([1, 1, 1])


@GRIDS
def test_maps_that_do_not_move_with_the_image_are_not_stable(grid):
    images = torch.randn(3, 1, *grid)
    fixed = [
        stability_to_shifts(lambda batch, _: centre_blob(batch), images, CLASSES, voxels)
        for voxels in (1, 2, 3)
    ]
    means = [agreement.spearman.mean() for agreement in fixed]
    assert 1 > means[0] > means[1] > means[2]
    drawn = stability_to_shifts(lambda batch, _: random_maps(batch), images, CLASSES, 1)
    assert np.abs(drawn.spearman).max() < 0.2


def test_shifts_are_compared_in_the_region():
    # The map moves with the image in the region, and is drawn anew outside.
    images = torch.randn(3, 1, 20, 20)
    left = torch.zeros(20, 20, dtype=torch.bool)
    left[:, :10] = True

    def explain(batch, classes):
        maps = batch[:, 0].clone()
        maps[..., 12:] = random_maps(batch)[..., 12:]
        return maps

    inside = stability_to_shifts(explain, images, CLASSES, 2, left)
    assert inside.spearman == pytest.approx([1, 1, 1])
    assert stability_to_shifts(explain, images, CLASSES, 2).spearman.max() < 0.9


def test_shifts_go_both_ways_along_each_axis():
    seen = []

    def explain(batch, classes):
        seen.append(batch[0, 0].clone())
        return batch[:, 0]

    image = torch.arange(25.0).reshape(1, 1, 5, 5)
    stability_to_shifts(explain, image, CLASSES[:1], 1)
    rows = [shifted[:, 0].tolist() for shifted in seen]
    assert rows[1:3] == [[0, 0, 5, 10, 15], [5, 10, 15, 20, 20]]
    columns = [shifted[0].tolist() for shifted in seen]
    assert columns[3:] == [[0, 0, 1, 2, 3], [1, 2, 3, 4, 4]]


@GRIDS
def test_noise_has_the_strength_that_was_asked_for(grid):
    seen = []

    def explain(batch, classes):
        seen.append(batch)
        return batch[:, 0]

    images = torch.randn(3, 2, *grid) * torch.tensor([1.0, 50.0]).reshape(2, *(1,) * len(grid))
    stability_to_noise(explain, images, CLASSES, snr=4, seed=1)
    noise = seen[1] - seen[0]
    axes = tuple(range(2, images.ndim))
    ratio = images.std(axes) / noise.std(axes)
    torch.testing.assert_close(ratio, torch.full((3, 2), 4.0), atol=0.8, rtol=0)
    correlation = torch.corrcoef(noise[:, 0].flatten(1))
    assert correlation.fill_diagonal_(0).abs().max() < 0.2  # each image has noise of its own


@GRIDS
def test_more_noise_less_stable(grid):
    images = torch.randn(3, 1, *grid)
    spearman = [
        stability_to_noise(squared, images, CLASSES, snr).spearman.mean() for snr in (1e6, 10, 1)
    ]
    assert spearman[0] > 0.999
    assert spearman[0] > spearman[1] > spearman[2]


def test_noise_is_the_same_in_every_batch():
    images = torch.randn(3, 1, 12, 12)
    whole = stability_to_noise(squared, images, CLASSES, 5, seed=2)
    parts = [
        stability_to_noise(squared, images[i : i + 1], CLASSES[:1], 5, seed=2) for i in range(3)
    ]
    assert whole.spearman == pytest.approx([part.spearman[0] for part in parts])
    other = stability_to_noise(squared, images, CLASSES, 5, seed=3)
    assert (whole.spearman != other.spearman).all()


def test_refuses():
    images = torch.randn(3, 1, 6, 6)
    with pytest.raises(InputError, match="two runs or more, there are 1"):
        pairwise_agreement([images[:, 0]])
    with pytest.raises(InputError, match="cannot be compared"):
        pairwise_agreement([images[:, 0], images[:2, 0]])
    with pytest.raises(InputError, match="share"):
        pairwise_agreement([images[:, 0]] * 2, share=1)
    for snr in (0, -1, float("nan"), float("inf")):
        with pytest.raises(InputError, match="snr"):
            stability_to_noise(squared, images, CLASSES, snr)
    with pytest.raises(InputError, match="seed"):
        stability_to_noise(squared, images, CLASSES, 5, seed=-1)
    for voxels in (0, 1.5):
        with pytest.raises(InputError, match="voxels is"):
            stability_to_shifts(squared, images, CLASSES, voxels)
    with pytest.raises(InputError, match="nothing left to compare after a shift of 3"):
        stability_to_shifts(squared, images, CLASSES, 3)
    for stability in (stability_to_noise, stability_to_shifts):
        with pytest.raises(InputError, match="without a channel axis"):
            stability(lambda batch, _: batch, images, CLASSES, 1)
        with pytest.raises(InputError, match="images hold"):
            stability(squared, images * torch.nan, CLASSES, 1)
