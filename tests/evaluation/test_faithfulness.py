import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import nn

from hrcam.errors import InputError
from hrcam.evaluation.faithfulness import control_maps, faithfulness, faithfulness_with_controls
from hrcam.evaluation.perturbation import (
    Perturbation,
    deletion_curve,
    insertion_curve,
    logit_drop,
    removal_ranks,
    without_voxels,
)

CLASS = torch.tensor([1])


def region(grid):
    """A corner that holds a quarter of a square, an eighth of a cube."""
    inside = torch.zeros(grid, dtype=torch.bool)
    inside[tuple(slice(size // 2) for size in grid)] = True
    return inside


def mean_of_region(images):
    """Logit 1 is the mean of the region, logit 0 is 0."""
    logit = images[:, 0][:, region(images.shape[2:])].mean(1)
    return torch.stack([torch.zeros_like(logit), logit], 1)


def settings(steps, **others):
    return Perturbation(**{"steps": steps, "fill": "mean", "score": "logit"} | others)


@pytest.fixture(params=[(4, 4), (4, 4, 4)], ids=["2D", "3D"])
def image(request):
    """1 in the region, 0 elsewhere."""
    return region(request.param).float()[None, None]


def test_curves_by_hand(image):
    # Taken away, a voxel has the image's mean; the region's voxels go first, one in each step.
    true_map = image[:, 0]
    voxels, inside, mean = true_map.numel(), int(true_map.sum()), float(true_map.mean())
    fall = np.full(voxels + 1, mean)
    fall[: inside + 1] = np.linspace(1, mean, inside + 1)
    deletion = deletion_curve(mean_of_region, image, CLASS, true_map, settings(voxels))
    np.testing.assert_allclose(deletion.shares, np.arange(voxels + 1) / voxels)
    np.testing.assert_allclose(deletion.scores[0], fall, atol=1e-6)
    share = inside / voxels
    assert deletion.area == pytest.approx([(1 + mean) / 2 * share + mean * (1 - share)])
    insertion = insertion_curve(mean_of_region, image, CLASS, true_map, settings(voxels))
    np.testing.assert_allclose(insertion.scores[0], 1 + mean - fall, atol=1e-6)
    assert insertion.area == pytest.approx([(1 + mean) / 2 * share + 1 - share])
    drop = logit_drop(mean_of_region, image, CLASS, true_map, share, settings(1))
    assert drop == pytest.approx([1 - mean])


@given(arrays(np.float32, (1, 4, 4), elements=st.integers(-3, 3)), st.integers(0, 5))
def test_no_map_is_better_than_the_true_one(values, seed):
    inside = region((4, 4)).float()
    image, some_map = inside[None, None], torch.from_numpy(values)
    how = settings(8, seed=seed)
    best = faithfulness(mean_of_region, image, CLASS, inside[None], share=0.25, settings=how)
    other = faithfulness(mean_of_region, image, CLASS, some_map, share=0.25, settings=how)
    assert other.insertion <= best.insertion + 1e-6
    assert other.deletion >= best.deletion - 1e-6
    assert other.logit_drop <= best.logit_drop + 1e-6
    # What is taken away by one is put back by the other, so here the areas mirror each other.
    assert other.insertion + other.deletion == pytest.approx(1.25, abs=1e-6)


@pytest.mark.parametrize("fill", ["blur", "mean"])
@pytest.mark.parametrize("score", ["probability", "logit"])
@pytest.mark.parametrize("grid", [(16, 16), (8, 8, 8)])
def test_true_map_beats_random_and_centre(grid, fill, score):
    inside = region(grid).float()
    images = inside + 0.1 * torch.rand(3, 1, *grid)
    scores = faithfulness_with_controls(
        mean_of_region,
        images,
        torch.ones(3, dtype=torch.long),
        inside.expand(3, *grid),
        share=0.25,
        settings=Perturbation(steps=16, fill=fill, score=score),
    )
    assert list(scores) == ["map", "blurred", "random", "centre"]
    for control in ("random", "centre"):
        assert (scores["map"].insertion > scores[control].insertion).all()
        assert (scores["map"].deletion < scores[control].deletion).all()
        assert (scores["map"].logit_drop > scores[control].logit_drop).all()


def test_probability_is_softmax_or_sigmoid():
    image = region((4, 4)).float()[None, None]
    how = settings(1, score="probability")
    two = deletion_curve(mean_of_region, image, CLASS, image[:, 0], how)
    one = deletion_curve(
        lambda images: mean_of_region(images)[:, 1], image, torch.tensor([0]), image[:, 0], how
    )
    expected = 1 / (1 + np.exp([-1, -0.25]))
    np.testing.assert_allclose(two.scores[0], expected, rtol=1e-6)
    np.testing.assert_allclose(one.scores[0], expected, rtol=1e-6)


def test_a_batch_gives_what_single_images_give():
    images, maps = torch.randn(5, 2, 8, 9), torch.randn(5, 8, 9)
    classes = torch.tensor([0, 1, 1, 0, 1])
    whole = insertion_curve(mean_of_region, images, classes, maps, Perturbation(batch_size=64))
    small = insertion_curve(mean_of_region, images, classes, maps, Perturbation(batch_size=3))
    np.testing.assert_allclose(small.scores, whole.scores, rtol=1e-6)
    for i in range(5):
        row = slice(i, i + 1)
        one = insertion_curve(mean_of_region, images[row], classes[row], maps[row])
        np.testing.assert_allclose(one.scores[0], whole.scores[i], rtol=1e-5)


def test_the_model_gets_batches_no_larger_than_asked():
    sizes = []

    def model(images):
        sizes.append(len(images))
        return mean_of_region(images)

    images, maps = torch.rand(3, 1, 4, 4), torch.rand(3, 4, 4)
    deletion_curve(model, images, CLASS.expand(3), maps, Perturbation(steps=4, batch_size=4))
    assert sizes == [4, 4, 4, 3]


def test_ranks_are_those_of_the_map_and_ties_are_drawn():
    ranks = removal_ranks(torch.tensor([[[3.0, 1.0], [4.0, 2.0]]]), seed=0)
    assert ranks.tolist() == [[[1, 3], [0, 2]]]
    blank = torch.zeros(2, 10, 10)
    ranks = removal_ranks(blank, seed=0)
    assert sorted(ranks[0].ravel().tolist()) == list(range(100))
    assert not torch.equal(ranks[0].ravel(), torch.arange(100))
    assert torch.equal(ranks, removal_ranks(blank, seed=0))
    assert torch.equal(ranks[0], ranks[1])
    assert not torch.equal(ranks, removal_ranks(blank, seed=1))
    mixed = blank.clone()
    mixed[:, 4] = 1
    assert (removal_ranks(mixed, seed=0)[:, 4] < 10).all()


def test_what_is_taken_away():
    images = torch.randn(2, 3, 20, 30) + torch.arange(3.0).reshape(3, 1, 1)
    flat = without_voxels(images, "mean")
    torch.testing.assert_close(flat[..., 0, 0], images.mean((2, 3)))
    assert flat.shape == images.shape
    blurred = without_voxels(images, "blur")
    torch.testing.assert_close(blurred.mean((2, 3)), images.mean((2, 3)), atol=0.3, rtol=0)
    assert (blurred.std((2, 3)) < 0.4 * images.std((2, 3))).all()
    torch.testing.assert_close(without_voxels(flat, "blur"), flat)


def test_controls():
    images, maps = torch.randn(2, 1, 20, 20), torch.zeros(2, 20, 20)
    maps[:, 10, 10] = 1
    controls = control_maps(images, maps, seed=3)
    blurred = controls["blurred"]
    assert blurred.sum((1, 2)) == pytest.approx([1, 1], abs=1e-3)
    # One voxel wide: the centre of a Gaussian of standard deviation 1, in two dimensions.
    assert blurred[0, 10, 10] == pytest.approx(1 / (2 * np.pi), rel=0.02)
    assert not torch.equal(controls["random"], control_maps(images, maps)["random"])


def test_leaves_a_module_as_it_was():
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.Flatten(), nn.Linear(144, 2)
    )
    model[1].training = False
    before = {name: value.clone() for name, value in model.state_dict().items()}
    images, maps = torch.randn(2, 1, 8, 8), torch.randn(2, 8, 8)
    classes = torch.tensor([0, 1])
    first = faithfulness(model, images, classes, maps)
    again = faithfulness(model, images, classes, maps)
    np.testing.assert_array_equal(first.insertion, again.insertion)  # without dropout
    assert [module.training for module in model] == [True, False, True, True, True]
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("score", [deletion_curve, insertion_curve, logit_drop, faithfulness])
def test_refuses(score):
    images, maps, classes = torch.rand(2, 1, 8, 8), torch.rand(2, 8, 8), torch.tensor([0, 1])
    with pytest.raises(InputError, match=r"have maps of shape \(2, 8, 8\)"):
        score(mean_of_region, images, classes, maps[:, None])
    with pytest.raises(InputError, match="maps hold NaN"):
        score(mean_of_region, images, classes, maps / 0)
    with pytest.raises(InputError, match="no class 5"):
        score(mean_of_region, images, torch.tensor([0, 5]), maps)
    with pytest.raises(InputError, match="1 classes for 2 images"):
        score(mean_of_region, images, classes[:1], maps)
    with pytest.raises(InputError, match="images hold"):
        score(mean_of_region, images * torch.inf, classes, maps)
    with pytest.raises(InputError, match="logits hold NaN"):
        score(lambda images: mean_of_region(images) * torch.nan, images, classes, maps)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"steps": 0}, "steps is 0"),
        ({"batch_size": 2.5}, "batch_size is 2.5"),
        ({"fill": "black"}, "use one of blur, mean"),
        ({"score": "loss"}, "use one of probability, logit"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_refuses_options(option, message):
    with pytest.raises(InputError, match=message):
        Perturbation(**option)


def test_refuses_steps_and_shares_that_do_not_fit():
    images, maps = torch.rand(1, 1, 3, 3), torch.rand(1, 3, 3)
    with pytest.raises(InputError, match="32 steps are more than the image has voxels: 9"):
        deletion_curve(mean_of_region, images, CLASS, maps)
    for share in (0.0, 1.5):
        with pytest.raises(InputError, match="share"):
            logit_drop(mean_of_region, images, CLASS, maps, share)
