import pytest

from hrcam.evaluation.estimate import significant, with_interval


@pytest.mark.parametrize(
    ("score", "text"),
    [
        ((0.734, 0.706, 0.755), "0.73 (0.71 to 0.76)"),
        ((1, 1.0, 1), "1.00 (1.00 to 1.00)"),
        ((0.02, -0.11, 0.15), "0.02 (-0.11 to 0.15)"),
        ((-0.001, -0.2, -0.004), "0.00 (-0.20 to 0.00)"),
        ((0.5, None, None), "0.50"),
        ((None, None, None), "n/a"),
    ],
)
def test_a_score_with_its_interval(score, text):
    assert with_interval(*score) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(2.7, "2.70"), (4, "4.00"), (114.4, "114"), (-0.0335, "-0.0335"), (12345.6, "12,346")],
)
def test_a_number_in_any_unit_has_three_digits(value, text):
    assert significant(value) == text
    assert with_interval(value, value, value, significant) == f"{text} ({text} to {text})"
