"""Faithfulness of several methods: whose rows there are, and that they are the right numbers."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from hrcam.benchmark.measures.faithfulness import BLURRED, MEASURES, measure_faithfulness
from hrcam.benchmark.variant import Variant
from hrcam.errors import InputError
from hrcam.evaluation.faithfulness import control_maps, faithfulness
from hrcam.evaluation.perturbation import Perturbation

GRID = (16, 16)
TRUE, WRONG = Variant("True", "fine"), Variant("Wrong", fusion="mean")


class Square(nn.Module):
    """Says how bright a square is; nothing else counts."""

    def forward(self, images):
        mean = images[:, 0, 4:8, 4:8].mean((1, 2))
        return torch.stack([-mean, mean], 1)


def images_and_maps(number=3):
    images = torch.randn(number, 1, *GRID, generator=torch.Generator().manual_seed(0)) * 0.1
    images[:, 0, 4:8, 4:8] += 3
    square = torch.zeros(number, *GRID)
    square[:, 4:8, 4:8] = 1
    return images, {TRUE: square, WRONG: -square}


def names(number):
    return [f"sub-{index}" for index in range(number)]


def values(measurements, variant, measure):
    return [one.value for one in measurements if (one.variant, one.measure) == (variant, measure)]


@pytest.fixture(scope="module")
def measured():
    images, maps = images_and_maps()
    classes = torch.ones(3, dtype=torch.long)
    return measure_faithfulness(Square(), images, classes, names(3), maps, seed=4)


def test_every_variant_its_blurred_copy_and_two_maps_without_a_model_are_scored_once(measured):
    variants = Counter(one.variant for one in measured)
    assert set(variants) == {
        TRUE,
        WRONG,
        Variant("True" + BLURRED, "fine"),
        Variant("Wrong" + BLURRED, fusion="mean"),
        Variant("random"),
        Variant("centre"),
    }
    assert set(variants.values()) == {3 * len(MEASURES)}
    assert {one.subject for one in measured} == set(names(3))


def test_the_map_of_what_counts_is_more_faithful_than_its_opposite(measured):
    for measure, sign in (("insertion", 1), ("deletion", -1), ("logit_drop", 1)):
        right, wrong = (np.array(values(measured, one, measure)) for one in (TRUE, WRONG))
        assert (sign * (right - wrong) > 0).all()


def test_without_the_square_the_logit_falls_to_that_of_the_rest():
    images = torch.zeros(1, 1, 16, 20)  # a twentieth is 16 pixels: the square
    images[0, 0, 4:8, 4:8] = 1
    square = images[:, 0].clone()
    found = measure_faithfulness(Square(), images, torch.tensor([1]), ["a"], {TRUE: square}, seed=0)
    (drop,) = values(found, TRUE, "logit_drop")
    # The blurred image, by which they are replaced, keeps some of the square's light.
    assert 0.5 < drop < 1


def test_the_numbers_are_those_of_the_evaluation(measured):
    images, maps = images_and_maps()
    classes, settings = torch.ones(3, dtype=torch.long), Perturbation(seed=4)
    controls = control_maps(images, maps[TRUE], 4)
    for variant, candidate in (
        (TRUE, maps[TRUE]),
        (Variant("True" + BLURRED, "fine"), controls["blurred"]),
        (Variant("random"), controls["random"]),
        (Variant("centre"), controls["centre"]),
    ):
        expected = faithfulness(Square(), images, classes, candidate, settings=settings)
        for measure in MEASURES:
            assert values(measured, variant, measure) == getattr(expected, measure).tolist()


@given(st.integers(0, 2), st.integers(0, 1000))
def test_an_image_has_the_same_scores_in_any_batch(place, seed):
    images, maps = images_and_maps()
    classes = torch.tensor([1, 0, 1])
    whole = measure_faithfulness(Square(), images, classes, names(3), maps, seed=seed)
    rows = slice(place, place + 1)
    alone = measure_faithfulness(
        Square(),
        images[rows],
        classes[rows],
        names(3)[rows],
        {variant: stack[rows] for variant, stack in maps.items()},
        seed=seed,
    )
    expected = {
        (one.variant, one.measure): one.value for one in whole if one.subject == f"sub-{place}"
    }
    assert {(one.variant, one.measure): one.value for one in alone} == pytest.approx(expected)


def test_names_and_maps_must_fit():
    images, maps = images_and_maps()
    classes = torch.ones(3, dtype=torch.long)
    with pytest.raises(InputError, match="2 names for 3 images"):
        measure_faithfulness(Square(), images, classes, names(2), maps, seed=0)
    with pytest.raises(InputError, match="no maps"):
        measure_faithfulness(Square(), images, classes, names(3), {}, seed=0)
    broken = {TRUE: torch.full((3, *GRID), float("nan"))}
    with pytest.raises(InputError, match="NaN"):
        measure_faithfulness(Square(), images, classes, names(3), broken, seed=0)
