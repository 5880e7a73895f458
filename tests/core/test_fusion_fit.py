"""References and baselines, learnt on a network whose maps are known."""

import numpy as np
import pytest
import torch
from torch import nn

from hrcam import HRCAM
from hrcam.errors import HRCAMWarning, InputError
from hrcam.maps.fusion_fit import choose_baselines

SIZE = 24
BLOB, RING, NOTHING = 0, 1, 2


class Detectors(nn.Module):
    """Two feature maps that are the two channels of the image; each pooled one is a logit."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Conv2d(2, 2, 1, bias=False)
        self.coarse = nn.MaxPool2d(2)
        self.classes = nn.Linear(2, 3)
        with torch.no_grad():
            self.maps.weight.copy_(torch.eye(2)[..., None, None])
            self.classes.weight.copy_(torch.tensor([[40.0, 0.0], [0.0, 40.0], [0.0, 0.0]]))
            self.classes.bias.copy_(torch.tensor([0.0, 0.0, 1.0]))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = self.maps(images)
        self.coarse(maps)
        return self.classes(maps.mean((2, 3)))


def images_of(labels, seed: int = 0) -> torch.Tensor:
    """Noise; class 0 has a blob in the first channel, class 1 one in the second, 2 has none."""
    generator = torch.Generator().manual_seed(seed)
    images = 0.1 * torch.randn(len(labels), 2, SIZE, SIZE, generator=generator)
    places = torch.randint(4, SIZE - 8, (len(labels), 2), generator=generator)
    for image, label, (row, column) in zip(images, labels, places.tolist(), strict=True):
        if label != NOTHING:
            image[label, row : row + 5, column : column + 5] += 2
    return images


LABELS = torch.arange(60) % 3


@pytest.fixture(scope="module")
def batches():
    images = images_of(LABELS)
    return [(images[:25], LABELS[:25]), (images[25:], LABELS[25:])]


@pytest.fixture(scope="module")
def model():
    return Detectors().eval()


@pytest.mark.parametrize("target", ["logits", "labels"])
def test_of_three_classes_those_with_something_are_compared_with_the_one_without(
    target, batches, model
):
    hr = HRCAM(model).fit(batches, target)
    assert hr.references[BLOB] == NOTHING
    assert hr.references[RING] == NOTHING
    assert hr.reference is None


def test_two_classes_are_compared_with_each_other(model):
    two = [(images_of(LABELS % 2), LABELS % 2)]
    assert HRCAM(model).fit(two).references == (1, 0)


def test_a_given_reference_is_taken_and_is_itself_compared_with_all(batches, model):
    hr = HRCAM(model).fit(batches, reference=BLOB)
    assert hr.references == (None, BLOB, BLOB)
    assert hr.reference == BLOB


def test_the_map_is_of_the_difference_to_the_reference(batches, model):
    """Against those with a blob, a ring is conspicuous, and that there is no blob is not."""
    images = images_of([RING] * 6, seed=1)
    pattern = HRCAM(model).fit(batches, reference=NOTHING).explain(images, RING).pattern
    inside = images[:, 1] > 1
    assert (pattern * inside).flatten(1).amax(1).equal(pattern.flatten(1).amax(1))
    assert pattern[inside].mean() > 10 * pattern[~inside].abs().mean()


def test_outputs_that_do_not_compete_are_compared_with_all_others(batches, model):
    hr = HRCAM(model).fit(batches, "logits", centre=False)
    assert hr.references == (None, None, None)


@pytest.mark.parametrize("reference", [3, -1])
def test_a_reference_that_is_no_class(reference, batches, model):
    with pytest.raises(InputError, match=rf"reference is {reference}: use the index of one of 3"):
        HRCAM(model).fit(batches, reference=reference)


def test_a_reference_that_the_cnn_never_names_is_none(model):
    images = images_of(LABELS % 2)
    with pytest.warns(HRCAMWarning, match="predicts class 2 for none of the images"):
        hr = HRCAM(model).fit([images], "logits", reference=NOTHING)
    assert hr.references == (RING, BLOB, None)


def test_a_reference_of_outputs_that_do_not_compete(batches, model):
    with pytest.raises(InputError, match="leave centre at True"):
        HRCAM(model).fit(batches, reference=0, centre=False)


def test_a_reference_of_very_many_classes():
    model = Detectors().eval()
    model.classes = nn.Linear(2, 20)
    with pytest.raises(InputError, match="more than 16 classes"):
        HRCAM(model).fit([images_of(LABELS)], "logits", reference=0)


@pytest.mark.parametrize(
    ("gaps", "used"),
    [
        ([0.5, 0.1], [True, True]),
        ([0.5, -0.1], [True, False]),
        ([-0.5, 0.1], [False, True]),
        ([-0.5, -0.1], [True, True]),
        ([0.0, 0.0], [True, True]),
        ([np.nan, np.nan], [True, True]),
    ],
)
def test_a_baseline_is_used_where_peaks_are_above_those_of_the_reference(gaps, used):
    np.testing.assert_array_equal(choose_baselines(np.array([gaps])), [used])


def test_what_is_everywhere_the_same_place_is_seen_by_its_own_place_alone():
    """A bright spot in all images, missing in those of the class: elsewhere that looks normal."""
    generator = torch.Generator().manual_seed(0)
    images = 0.1 * torch.randn(60, 2, SIZE, SIZE, generator=generator)
    labels = torch.arange(60) % 2
    images[:, 0, 4:20, 10:14] += 2
    images[labels == 1, 0, 4:12, 10:14] -= 2
    hr = HRCAM(Detectors().eval()).fit([(images, labels)])
    pattern = hr.explain(images[labels == 1], 1).pattern.mean(0)
    missing = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    missing[4:12, 10:14] = True
    assert pattern[missing].mean() > 5 * pattern[~missing].abs().mean()
