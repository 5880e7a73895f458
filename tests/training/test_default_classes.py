"""Which class maps compare the others with, told by the classes' names."""

import pytest

from hrcam.errors import InputError
from hrcam.training.default_classes import reference_class


@pytest.mark.parametrize(
    ("classes", "reference"),
    [
        (("benign", "malignant", "normal"), "normal"),
        (("AD", " HC ", "MCI"), " HC "),
        (("a", "b", "c"), None),
        (("control", "healthy", "ill"), None),
        ((*(str(number) for number in range(1, 20)), "control"), None),
    ],
)
def test_it_is_the_only_class_that_is_named_as_controls(classes, reference):
    assert reference_class(classes, None) == reference


def test_another_one_can_be_named():
    assert reference_class(("benign", "malignant", "normal"), "benign") == "benign"


def test_a_name_that_is_no_class():
    with pytest.raises(InputError, match=r"reference is 'healthy': name one of.*benign, normal"):
        reference_class(("benign", "normal"), "healthy")


def test_very_many_classes_are_refused_before_anything_is_trained():
    classes = tuple(str(number) for number in range(17))
    with pytest.raises(InputError, match=r"no reference among 17 classes.*leave it out"):
        reference_class(classes, "3")
