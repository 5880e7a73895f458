"""What the tests of mapping share."""

import pytest
from small_runs import SmallRun, preparation


@pytest.fixture
def picture_run():
    """One network for pictures of 24 × 32."""
    return SmallRun(preparation((24, 32)))


@pytest.fixture
def unchecked(monkeypatch):
    """Maps are not checked at the end of a job, which takes longer than a few small maps."""
    monkeypatch.setattr("hrcam.mapping.stages.check_folder", lambda *_: None)
