import copy
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrcam.artifacts.check_results import CHECKS, Check, CoarseMap, MapChecks
from hrcam.errors import InputError
from hrcam.sanity.limits import CRUCIAL, LIMITS, unmeasured

# Without masks, and with them.
KINDS = [[name for name in CHECKS if name != other] for other in ("bounds", "likeness")]
values = st.lists(st.floats(-1, 1), max_size=5).map(tuple)


def checks_of(lists, cascade=(), coarse=None, names=KINDS[0]):
    checks = tuple(
        Check(name, found, LIMITS[name], "" if found else "why", {"x": 0.5})
        for name, found in zip(names, lists, strict=True)
    )
    return MapChecks(3, checks, cascade, coarse)


@pytest.mark.parametrize(
    ("name", "found", "passed"),
    [
        ("randomisation", (0.1, 0.49), True),
        ("randomisation", (0.3, 0.3), False),  # exactly at the limit is not below it
        ("likeness", (0.5, 0.95), False),
        ("bounds", (0.02, -0.01), True),
        ("bounds", (0.0, 0.0), False),  # as good is not better
        ("repeatability", (0.25, 0.75), True),  # exactly at the limit is reached
        ("repeatability", (0.2, 0.75), False),
        ("noise", (0.69,), False),
        ("shift", (0.9, 0.8), True),
    ],
)
def test_a_check_passes_by_the_mean_over_images(name, found, passed):
    assert Check(name, found, LIMITS[name]).passed is passed


def test_limits_are_fixed():
    assert LIMITS == {
        "randomisation": 0.3, "bounds": 0.0, "likeness": 0.7,
        "repeatability": 0.5, "noise": 0.7, "shift": 0.7,
    }  # fmt: skip
    assert {"randomisation", "bounds", "likeness"} == CRUCIAL


def test_what_was_not_measured_neither_passes_nor_fails():
    check = unmeasured("noise", "too small")
    assert check.passed is None
    assert math.isnan(check.value)
    assert checks_of([()] * 5).failed() == ()


@given(
    st.tuples(*[values] * 5),
    st.none() | st.just(CoarseMap("CAM", (4, 5), 0.2, 0.1)),
    st.sampled_from(KINDS),
)
def test_json_holds_everything(lists, coarse, names):
    checks = checks_of(lists, ((0.0, 0.9), (1.0, 0.1)), coarse, names)
    text = json.dumps(checks.to_json(), allow_nan=False)
    assert MapChecks.from_json(json.loads(text)) == checks


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content.pop("Checks"),
        lambda content: content["Checks"].pop("shift"),
        lambda content: content["Checks"].pop("likeness"),
        lambda content: content["Checks"]["noise"].update(Values=["x"]),
        lambda content: content["Checks"]["noise"].update(Limit=None),
        lambda content: content["Checks"]["noise"].update(Values=[float("nan")]),
        lambda content: content.update(Checks=[1, 2]),
        lambda content: content.update(Cascade=[[1]]),
        lambda content: content.update(LowResolution={"Method": "CAM"}),
    ],
)
def test_damaged_content_is_refused(damage):
    content = copy.deepcopy(checks_of([(0.5,)] * 5).to_json())
    damage(content)
    with pytest.raises(InputError, match="cannot be understood"):
        MapChecks.from_json(content)
