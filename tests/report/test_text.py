import pytest

from hrcam.report.page.text import count, estimate_text, plain, settings


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "none"),
        ("", "none"),
        (True, "yes"),
        (0.00012345, "0.0001234"),
        (-0.5, "−0.5"),
        ([48, 64.0, 48], "48 × 64 × 48"),
        ([0.5, 99.5], "0.5, 99.5"),
        (["T1", "FLAIR"], "T1, FLAIR"),
        ([], "none"),
        ({"png": 3, "nifti": {"a": None}}, "png: 3, nifti: a: none"),
    ],
)
def test_settings_are_written_short(value, expected):
    assert plain(value) == expected


@pytest.mark.parametrize(
    ("estimate", "expected"),
    [
        ({"value": 0.5, "low": 0.25, "high": 1}, "0.50 (0.25\u00a0to\u00a01.00)"),
        ({"value": -0.5, "low": -0.75, "high": -0.001}, "−0.50 (−0.75\u00a0to\u00a00.00)"),
        ({"value": 0.5, "low": None, "high": None}, "0.50"),
        ({"value": None, "low": None, "high": None}, "n/a"),
        ({"value": float("nan")}, "n/a"),
        ({}, "n/a"),
        (None, "n/a"),
    ],
)
def test_an_estimate_is_written_as_far_as_there_is_one(estimate, expected):
    assert estimate_text(estimate) == expected


def test_names_and_nouns():
    assert settings({"batch_size": 4, "x": 1}, ["batch_size", "gone"]) == [("batch size", "4")]
    assert [count(number, "scan") for number in (0, 1, 1200)] == [
        "0 scans",
        "1 scan",
        "1,200 scans",
    ]
