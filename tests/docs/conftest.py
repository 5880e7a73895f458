"""Pages that were run, each once; later pages start from what earlier ones made."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from doc_folders import MAKERS
from doc_pages import run_page, starts_with

# Which page makes a folder that others start with, and what it is called there.
_MADE = {
    "cohort": ("getting-started", "cohort"),
    "run": ("getting-started", "run"),
    "maps": ("getting-started", "maps"),
    "dicom-maps": ("how-to/dicom", "pacs-maps"),
    "run3d": ("how-to/mixed-shapes", "run-mixed"),
}


@pytest.fixture(scope="session", autouse=True)
def _in_this_process() -> Iterator[None]:
    """Processes that were started for one page would stay in its folder, and not see another's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOKY_MAX_CPU_COUNT", "1")
        patch.setattr(os, "cpu_count", lambda: 1)
        patch.setenv("MPLBACKEND", "Agg")
        yield


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Run a page and the pages that it builds on; return the folder where it ran."""
    folders: dict[str, Path] = {}
    failed: set[str] = set()

    def run(page: str) -> Path:
        if page in failed:
            pytest.fail(f"the page {page} fails, on which this one builds")
        if page not in folders:
            failed.add(page)
            folder = tmp_path_factory.mktemp(page.replace("/", "-"))
            for name in starts_with(page):
                if name in MAKERS:
                    MAKERS[name](folder)
                else:
                    maker, original = _MADE[name]
                    shutil.copytree(run(maker) / original, folder / name)
            run_page(page, folder)
            folders[page] = folder
            failed.remove(page)
        return folders[page]

    return run
