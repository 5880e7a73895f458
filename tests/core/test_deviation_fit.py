"""References and moments, learnt on a network whose maps are known, and by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from hrcam import HRCAM
from hrcam.errors import HRCAMWarning, InputError
from hrcam.head.covariance import ALL_OTHERS
from hrcam.levels import Levels
from hrcam.maps.deviation_fit import (
    IN_CLASS,
    IN_NEITHER,
    IN_REFERENCE,
    memberships,
    reference_moments,
)
from hrcam.maps.training_passes import MappedBatch, TrainingPasses

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
def test_three_classes_without_a_reference_are_compared_with_all_others(target, batches, model):
    hr = HRCAM(model).fit(batches, target)
    assert hr.references == (None, None, None)
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
    # The pattern is the root of a deviation.
    deviation = pattern.square().copysign(pattern)
    assert deviation[inside].mean() > 10 * deviation[~inside].abs().mean()


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


def moments_of(levels, image_classes, references=(ALL_OTHERS,), size=None):
    """Return the moments of level maps (B, *S_l), each mapped for all classes, in batches."""
    size, columns = size or len(image_classes), len(references)
    batches = [
        MappedBatch(
            [level[start : start + size, None].expand(-1, columns, -1) for level in levels],
            torch.arange(columns).expand(len(image_classes[start : start + size]), -1),
            torch.tensor(image_classes[start : start + size]),
            (4,),
        )
        for start in range(0, len(image_classes), size)
    ]
    return reference_moments(batches, np.array(references))


def test_moments_are_over_all_positions_of_the_other_images():
    maps = torch.tensor([[1.0, 3.0], [2.0, 6.0], [100.0, 0.0]])
    moments = moments_of([maps], [-1, -1, 0])
    np.testing.assert_allclose(moments.mean, [[3.0]])
    np.testing.assert_allclose(moments.std, [[np.std([1, 3, 2, 6])]])


def test_a_constant_map_has_no_deviation():
    moments = moments_of([torch.full((7, 33), 1234.567)], [-1] * 7)
    assert moments.mean[0, 0] == pytest.approx(1234.567, rel=1e-6)
    assert moments.std[0, 0] < 1e-4
    assert moments_of([torch.full((7, 33), 3.0)], [-1] * 7).blank.all()


def test_without_others_the_images_of_the_class_itself_count():
    maps = torch.tensor([[1.0, 2.0], [3.0, 6.0]])
    moments = moments_of([maps], [0, 0])
    np.testing.assert_allclose(moments.mean, [[3.0]])
    np.testing.assert_allclose(moments.std, [[np.std([1, 2, 3, 6])]])


def test_images_that_are_neither_of_a_class_nor_of_its_reference_do_not_count():
    maps = torch.tensor([[1.0], [2.0], [50.0], [4.0]])
    moments = moments_of([maps], [0, 2, 1, 2], references=(2, ALL_OTHERS, 0))
    np.testing.assert_allclose(moments.mean[:, 0], [3.0, 7 / 3, 1.0], rtol=1e-6)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_batches_do_not_matter(size):
    generator = torch.Generator().manual_seed(size)
    levels = [torch.randn(6, width, generator=generator) for width in (4, 2)]
    image_classes = [0, -1, 0, -1, 0, -1]
    whole, parts = (moments_of(levels, image_classes, size=one) for one in (6, size))
    np.testing.assert_allclose(parts.mean, whole.mean)
    np.testing.assert_allclose(parts.std, whole.std)
    for level, values in enumerate(levels):
        assert whole.std[0, level] == pytest.approx(values[1::2].numpy().std(), rel=1e-5)


def test_memberships_by_hand():
    classes = torch.tensor([[0, 1, 2]] * 4)
    found = memberships(classes, torch.tensor([0, 1, 2, -1]), np.array([2, ALL_OTHERS, 0]))
    o, r, n = IN_CLASS, IN_REFERENCE, IN_NEITHER
    assert found.tolist() == [[o, r, r], [n, o, n], [r, r, o], [n, r, n]]


def test_images_are_drawn_from_all_classes_alike(model):
    image_classes = np.repeat([0, 1, 2], [500, 20, 300])
    passes = TrainingPasses(model, [], "labels", None, Levels(), image_classes)
    drawn = passes.draw(128, np.random.default_rng(0))
    assert np.bincount(image_classes[drawn]).tolist() == [42, 20, 42]
    assert len(set(drawn)) == len(drawn)
    many = replace(passes, image_classes=np.arange(1000))
    assert len(set(many.draw(128, np.random.default_rng(0)))) == 128
