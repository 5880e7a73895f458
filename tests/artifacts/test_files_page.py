"""The page on the files on disk names every file, and the version of each format."""

import importlib
import pkgutil
import re

import pytest
from files_page import DESCRIBED, PAGE, undescribed
from written_folders import CLASSES

import hrcam.artifacts
from hrcam import storage
from hrcam.artifacts.manifest import MANIFEST_FORMAT
from hrcam.artifacts.maps_folder import MAPS_FORMAT
from hrcam.artifacts.overlay_scale import OVERLAYS_FORMAT
from hrcam.artifacts.run_folder import CHECKPOINTS, EXPLAINER, RUN_FORMAT, WORK
from hrcam.artifacts.sanity_record import SANITY_FORMAT
from hrcam.artifacts.scan_record import KINDS, MAPS, RECORD_FORMAT
from hrcam.benchmark import layout

MODULES = [
    *(
        importlib.import_module(f"hrcam.artifacts.{module.name}")
        for module in pkgutil.iter_modules(hrcam.artifacts.__path__)
    ),
    importlib.import_module("hrcam.benchmark.layout"),
    importlib.import_module("hrcam.benchmark.summary.write"),
]
FILE = re.compile(r"[a-z][\w.-]+\.(json|tsv|csv|npy|npz|png|html|md|safetensors)")


def file_names():
    return {
        value
        for module in MODULES
        for name, value in vars(module).items()
        if name.isupper() and name[0] != "_" and isinstance(value, str) and FILE.fullmatch(value)
    }


def test_every_file_name_is_on_the_page():
    names = file_names()
    assert {"config.json", "maps.tsv", "sanity.npy", "unit.json", "table.md"} <= names
    assert len(names) > 20
    assert names - DESCRIBED == set()
    assert {CHECKPOINTS, EXPLAINER, WORK, layout.COHORTS, layout.UNITS} <= DESCRIBED


def test_every_key_and_column_is_on_the_page(run, maps):
    assert undescribed(run, CLASSES) == []
    assert undescribed(maps, CLASSES) == []
    assert set(KINDS) | set(MAPS) <= DESCRIBED


@pytest.mark.parametrize(
    ("what", "version"),
    [
        ("run folder | `format`", RUN_FORMAT),
        ("fold of a run | `format`", RUN_FORMAT),
        ("manifest of a run | `format`", MANIFEST_FORMAT),
        ("maps folder | `Format`", MAPS_FORMAT),
        ("record of a scan | `Format`", RECORD_FORMAT),
        ("scale of overlays | `Format`", OVERLAYS_FORMAT),
        ("checks of maps | `Format`", SANITY_FORMAT),
        ("benchmark folder | `format`", layout.BENCHMARK_FORMAT),
        ("explainer | `format`", storage.FORMAT),
    ],
)
def test_every_version_is_on_the_page(what, version):
    assert f"| {what} {version} in" in PAGE
