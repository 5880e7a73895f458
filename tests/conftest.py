"""What all tests share: seeds, threads, the hypothesis profile, and where real images are."""

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, settings
from threadpoolctl import threadpool_limits

_CHROMIUM = (
    *("--no-sandbox", "--disable-gpu", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
REAL_DATA = Path(__file__).parents[1].parent / "shared" / "data"

settings.register_profile(
    "hrcam",
    deadline=None,  # machines are shared: time says nothing about correctness
    max_examples=15,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("hrcam")

if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)  # the workers are the parallelism
    os.environ["OMP_NUM_THREADS"] = "1"  # and for the processes that tests start


@pytest.fixture(autouse=True)
def _seeds() -> None:
    random.seed(0)
    torch.manual_seed(0)


@pytest.fixture(autouse=True, scope="session")
def _one_thread_for_linear_algebra() -> Iterator[None]:
    """Threads that wait for each other cost more than they bring to problems this small."""
    import sklearn.linear_model  # noqa: F401 - limits hold for libraries that are loaded

    # Of OpenMP it would hold in this thread alone, and others would compute other last bits.
    with threadpool_limits(1, user_api="blas"):
        yield


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("real_data") and not REAL_DATA.is_dir():
        pytest.skip(f"real images are not here: {REAL_DATA} is missing")


@pytest.fixture
def real_data() -> Path:
    """Folder of the real images; the test is skipped where they are missing."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"real images are not here: {REAL_DATA} is missing")
    return REAL_DATA


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium without a window or a network; the test is skipped where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("there is no Chromium here")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(_CHROMIUM))
        yield browser
        browser.close()
