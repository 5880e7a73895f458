"""The files of a scan are told from those of every other, however alike their names begin."""

import tempfile
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st
from written_folders import record

from hrcam.artifacts.maps_folder import MapsWriter
from hrcam.artifacts.scan_record import MapInput, encode_record
from hrcam.mapping.names import bids_scan_names

LABELS = ("control", "lesion")
KINDS = {"evidence": ".nii.gz", "pattern": ".nii.gz", "overlay": ".png"}
FINDINGS = (".nii.gz", ".tsv", ".json")
KEYS = ("ses", "acq", "run")

values = st.sampled_from([None, "1", "12", "2"])
names = st.tuples(*[values] * len(KEYS)).map(
    lambda found: "sub-01" + "".join(
        f"_{key}-{value}" for key, value in zip(KEYS, found, strict=True) if value
    )
)  # fmt: skip


def files_of(place):
    """The name of every file that a scan can have, mapped for each class."""
    maps = [place.map(label, kind, suffix) for label in LABELS for kind, suffix in KINDS.items()]
    regions = [place.findings(label, suffix) for label in LABELS for suffix in FINDINGS]
    whole = [*maps, *regions, *map(place.record, LABELS)]
    return {*whole, *(path.with_name(f".{path.name}.0a1b2c3d.partial") for path in whole)}


def made_from(scan, size):
    return MapInput(
        scan=scan, participant="p", label=None, sources=(), source_bytes=size,
        source_modified=None, run={},
    )  # fmt: skip


def _files(writer):
    """The files of all scans."""
    return {path for path in writer.out.glob("sub-*/**/*") if path.is_file()}


@given(st.lists(names, min_size=2, max_size=4, unique=True))
@example(["sub-01", "sub-01_acq-1"])
@example(["sub-01", "sub-01_acq-1_run-1"])
@example(["sub-01_ses-1", "sub-01_ses-12"])
def test_clearing_a_scan_removes_all_of_its_files_and_none_of_another(scans):
    assert bids_scan_names(scans) == {name: name for name in scans}  # names that maps can have
    with tempfile.TemporaryDirectory() as folder:
        writer = MapsWriter(Path(folder) / "maps", {})
        places = {name: writer.place(name) for name in scans}
        every = set()
        for name, place in places.items():
            place.folder.mkdir(parents=True, exist_ok=True)
            for path in files_of(place):
                path.touch()
            for label in LABELS:
                files = {kind: place.map(label, kind, suffix) for kind, suffix in KINDS.items()}
                written = record(place, made_from(name, 1), 0, files=files)
                place.record(label).write_bytes(encode_record(written))
            assert not every & files_of(place)
            every |= files_of(place)
        cleared = places[scans[0]]
        writer.clear(cleared, made_from(scans[0], 1))  # up to date: partial files go
        assert _files(writer) == {
            path for path in every if path not in files_of(cleared) or path.suffix != ".partial"
        }
        writer.clear(cleared, made_from(scans[0], 2))
        assert _files(writer) == every - files_of(cleared)
