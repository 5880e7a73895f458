"""What the tests of mapping share."""

import pytest
from small_runs import SmallRun, preparation


@pytest.fixture
def picture_run():
    """One network for pictures of 24 × 32."""
    return SmallRun(preparation((24, 32)))
