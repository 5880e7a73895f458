"""What the tests of the files on disk share."""

import pytest
from written_folders import write_maps, write_run


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "run")


@pytest.fixture
def maps(run, tmp_path):
    return write_maps(tmp_path / "maps", run)
