"""A folder of maps: whose it is, what is done, and what of a killed job is left in it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hrcam import __version__
from hrcam.artifacts.atomic import PARTIALS, write_atomically
from hrcam.artifacts.claim import claim_folder
from hrcam.artifacts.scan_record import read_record
from hrcam.artifacts.text import encode_json
from hrcam.cohort.problems import Problem
from hrcam.errors import InputError

DESCRIPTION = "dataset_description.json"
FAILURES = ".failures"
_OF_TABLE = "table.json"


@dataclass(frozen=True)
class ScanPlace:
    """Where the files of one scan go.

    Attributes
    ----------
    folder
        Of the subject.
    name
        What all its files start with.
    """

    folder: Path
    name: str

    def records(self) -> list[Path]:
        """Return the records of this scan, one for each class that it was mapped for."""
        return self.files(f"{self.name}_label-", "_hrcam.json")

    def files(self, start: str, end: str = "") -> list[Path]:
        """Return the files of the subject whose names start and end so, sorted."""
        if not self.folder.is_dir():
            return []
        # Not glob: Python would keep the pattern of every scan.
        return sorted(
            path
            for path in self.folder.iterdir()
            if path.name.startswith(start) and path.name.endswith(end)
        )


class MapsFolder:
    """The output of `hrcam map`, a BIDS derivative; several jobs may write to it at once.

    A scan's record is written last: where it is and fits, the scan is done.

    Parameters
    ----------
    out
        New, empty, or of an earlier job with the same run.
    run
        What tells the run from others.
    """

    def __init__(self, out: Path, run: Mapping[str, Any]) -> None:
        self.out = out
        self._claim(run)

    def remove_partials(self) -> None:
        """Remove what a killed job left of tables; that of a scan goes when it is mapped."""
        for folder in (self.out, self.out / FAILURES):
            for partial in folder.glob(PARTIALS):
                partial.unlink(missing_ok=True)

    def place(self, name: str) -> ScanPlace:
        """Return where a scan's files go, by its BIDS name.

        Raises
        ------
        InputError
            If that is outside this folder, as through a link.
        """
        folder = self.out / name.split("_")[0]
        if folder.resolve().parent != self.out.resolve():
            raise InputError(f"{folder} leads out of {self.out}: remove the link")
        return ScanPlace(folder, name)

    def is_done(self, place: ScanPlace, expected: Mapping[str, Any], wanted: str | None) -> bool:
        """Tell whether the maps of a class, or of the predicted one, are there and up to date."""
        record = self.record(place, expected, wanted)
        if record:
            self._failure(record["Scan"]).unlink(missing_ok=True)
        return bool(record)

    def record(
        self, place: ScanPlace, expected: Mapping[str, Any], wanted: str | None
    ) -> dict[str, Any]:
        """Return the record of the maps of a class that is up to date; an empty one if none is."""
        for path in place.records():
            record = read_record(path)
            chosen = record.get("PredictedClass") if wanted is None else wanted
            if _is_current(path, record, expected) and record["Class"] == chosen:
                return record
        return {}

    def clear(self, place: ScanPlace, expected: Mapping[str, Any]) -> None:
        """Remove what is out of date of a scan, and what a killed job left half written."""
        for path in place.records():
            record = read_record(path)
            if not _is_current(path, record, expected):
                path.unlink(missing_ok=True)
                for file in place.files(f"{path.stem.removesuffix('_hrcam')}_desc-"):
                    file.unlink(missing_ok=True)
        for partial in place.files(f".{place.name}_label-", ".partial"):
            partial.unlink(missing_ok=True)

    def write(self, place: ScanPlace, scan: str, files: Mapping[str, bytes]) -> None:
        """Write the files of a scan, in order; the last is its record."""
        for name, content in files.items():
            write_atomically(place.folder / name, content)
        self._failure(scan).unlink(missing_ok=True)

    def write_failure(self, problem: Problem) -> None:
        """Keep what is wrong with a scan for ``failures.tsv``."""
        self._write_problems(self._failure(problem.scan), [problem])

    def write_refused_rows(self, problems: Sequence[Problem], scans: Sequence[str]) -> None:
        """Keep what is wrong with the input as a whole, and forget scans that are not in it."""
        self._write_problems(self.out / FAILURES / _OF_TABLE, problems)
        known = {_OF_TABLE, *(self._failure(scan).name for scan in scans)}
        for path in (self.out / FAILURES).glob("*.json"):
            if path.name not in known:
                path.unlink(missing_ok=True)

    def _failure(self, scan: str) -> Path:
        digest = hashlib.sha256(scan.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return self.out / FAILURES / f"{digest}.json"

    def _write_problems(self, path: Path, problems: Sequence[Problem]) -> None:
        content = json.dumps([asdict(problem) for problem in problems], indent=2)
        write_atomically(path, content.encode())

    def _claim(self, run: Mapping[str, Any]) -> None:
        """Make the folder, or see that it was begun with this run."""
        if claim_folder(self.out, DESCRIPTION, _description(run)) is None:
            return
        if read_record(self.out / DESCRIPTION).get("Run") != run:
            raise InputError(
                f"{self.out} holds maps of another run, or something else: choose another "
                "folder, or delete it"
            )


def _is_current(path: Path, record: Mapping[str, Any], expected: Mapping[str, Any]) -> bool:
    return (
        bool(record)
        and all(record.get(key) == value for key, value in expected.items())
        and all((path.parent / name).is_file() for name in record["Files"].values())
    )


def _description(run: Mapping[str, Any]) -> bytes:
    description = {
        "Name": "HR-CAM maps",
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "hrcam", "Version": __version__}],
        "Run": dict(run),
    }
    return encode_json(description)
