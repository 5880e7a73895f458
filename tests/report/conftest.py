"""Folders of a run and of maps, made once; tests that change files make their own."""

import pytest
from report_folders import simulated, write_maps, write_run


@pytest.fixture(scope="session")
def pictures():
    return simulated(2)


@pytest.fixture(scope="session")
def volumes():
    return simulated(3, subjects=4, size=24)


@pytest.fixture(scope="session")
def picture_folders(pictures, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    run = write_run(folder / "run", pictures)
    return run, write_maps(folder / "maps", pictures, run=run)


@pytest.fixture(scope="session")
def volume_maps(volumes, tmp_path_factory):
    return write_maps(tmp_path_factory.mktemp("volumes") / "maps", volumes)
