import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hrcam.simulate.fields import smooth_field


@settings(max_examples=30, deadline=None)
@given(
    shape=st.lists(st.integers(1, 20), min_size=1, max_size=3).map(tuple),
    spacing=st.floats(1.0, 50.0),
)
def test_any_shape_and_spacing_gives_a_finite_field(shape: tuple[int, ...], spacing: float) -> None:
    field = smooth_field(np.random.default_rng(0), shape, spacing)
    assert field.shape == shape
    assert np.isfinite(field).all()


def test_unit_variance_at_every_voxel_and_axes_in_order() -> None:
    rng = np.random.default_rng(0)
    fields = np.stack([smooth_field(rng, (11, 17), 6.0) for _ in range(4000)])
    assert np.abs(fields.mean(axis=0)).max() < 0.08
    assert fields.std(axis=0) == pytest.approx(np.ones((11, 17)), abs=0.06)


def test_neighbours_agree_within_the_spacing_and_not_beyond() -> None:
    rng = np.random.default_rng(1)
    fields = np.stack([smooth_field(rng, (80,), 8.0) for _ in range(4000)])
    near = np.corrcoef(fields[:, 30], fields[:, 31])[0, 1]
    far = np.corrcoef(fields[:, 20], fields[:, 60])[0, 1]
    assert near > 0.97
    assert abs(far) < 0.06
