"""A folder of maps: whose it is, which scans are done, and what was read from all of them."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hrcam.artifacts.atomic import PARTIALS, write_atomically
from hrcam.artifacts.claim import claim_folder
from hrcam.artifacts.formats import BIDS_FORMAT, encode_json, read_versioned
from hrcam.artifacts.manifest import versions_of
from hrcam.artifacts.maps_tables import FAILURES, MAPS, PROBLEMS, record_paths, write_tables
from hrcam.artifacts.refusals import Refusal, Refused, read_refusals, refusal_fields
from hrcam.artifacts.scan_record import (
    RECORD_END,
    Form,
    MapInput,
    ScanRecord,
    chosen_class,
    read_record,
    usable_record,
)
from hrcam.errors import InputError, NewerFormatError

MAPS_FORMAT = 1
DESCRIPTION = "dataset_description.json"
_OF_INPUT = "table.json"


@dataclass(frozen=True)
class ScanPlace:
    """Where the files of one scan go.

    Attributes
    ----------
    folder
        Of the subject.
    name
        What all its files start with; other scans of the subject may start with it as well.
    """

    folder: Path
    name: str

    def record(self, label: str) -> Path:
        """Return where the record of the maps of a class is, by the class's BIDS label."""
        return self.folder / f"{self.name}_label-{label}{RECORD_END}"

    def map(self, label: str, kind: str, suffix: str) -> Path:
        """Return where the map of a kind is, of a class."""
        return self.folder / f"{self.name}_label-{label}_desc-{kind}_hrcam{suffix}"

    def records(self) -> list[Path]:
        """Return the records of this scan, one for each class that it was mapped for."""
        return self._files(rf"{self._start}{re.escape(RECORD_END)}")

    def partials(self) -> list[Path]:
        """Return what killed jobs left half written of this scan."""
        return self._files(rf"\.{self._start}(_desc-[^_]+)?_hrcam\.[^_]+\.partial")

    @property
    def _start(self) -> str:
        # A label has no underscore, so that what follows one is an entity of another scan's name.
        return rf"{re.escape(self.name)}_label-[^_]+"

    def _files(self, pattern: str) -> list[Path]:
        return _matching(self.folder, pattern)


def maps_beside(record: Path) -> list[Path]:
    """Return the maps that belong to a record, whether it names them or not."""
    start = re.escape(record.name.removesuffix(RECORD_END))
    return _matching(record.parent, rf"{start}_desc-[^_]+_hrcam\.[^_]+")


def _matching(folder: Path, pattern: str) -> list[Path]:
    if not folder.is_dir():
        return []
    matches = re.compile(pattern).fullmatch
    return sorted(path for path in folder.iterdir() if matches(path.name))


class MapsWriter:
    """Writes a folder of maps, a BIDS derivative; several jobs may write to one at once.

    A scan's record is written last: where it is and fits, the scan is done.

    Parameters
    ----------
    out
        New, empty, or of an earlier job with the same run.
    run
        What tells the run from others.

    Raises
    ------
    InputError
        If the folder holds maps of another run, or something else.
    NewerFormatError
        If a newer version of hrcam has written it.
    """

    def __init__(self, out: Path, run: Mapping[str, Any]) -> None:
        self.out = out
        self._claim(run)

    def remove_partials(self) -> None:
        """Remove what a killed job left of tables; that of a scan goes when it is mapped."""
        for folder in (self.out, self.out / PROBLEMS):
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

    def is_of_another(self, place: ScanPlace, now: MapInput) -> bool:
        """Tell whether maps of other images are where those of a scan would go."""
        records = (usable_record(path) for path in place.records())
        return any(record is not None and record.sources != now.sources for record in records)

    def is_done(
        self,
        place: ScanPlace,
        now: MapInput,
        wanted: str | None,
        form: Form | None = None,
        reference: str | None = None,
    ) -> bool:
        """Tell whether the maps that are wanted are there and up to date.

        If they are, an earlier failure of the scan no longer counts.

        Parameters
        ----------
        place, now
            The scan.
        wanted
            The class; None for the one that its prediction leads to.
        form
            What the maps have to have; None if that does not matter.
        reference
            As in `chosen_class`.
        """
        record = self.record(place, now, wanted, reference)
        if record is not None and form is not None and not record.form.contains(form):
            return False
        if record is not None:
            self._failure(record.scan).unlink(missing_ok=True)
        return record is not None

    def record(
        self,
        place: ScanPlace,
        now: MapInput,
        wanted: str | None,
        reference: str | None = None,
    ) -> ScanRecord | None:
        """Return the record of the maps of a class that is up to date; None if there is none."""
        for path in place.records():
            record = usable_record(path)
            if record is not None and record.is_current(now):
                chosen = wanted or chosen_class(record.probabilities, record.predicted, reference)
                if record.map_class == chosen:
                    return record
        return None

    def clear(self, place: ScanPlace, now: MapInput) -> None:
        """Remove what is out of date of a scan, and what a killed job left half written."""
        for path in place.records():
            record = usable_record(path)
            if record is None or not record.is_current(now):
                path.unlink(missing_ok=True)
                for file in maps_beside(path):
                    file.unlink(missing_ok=True)
        for partial in place.partials():
            partial.unlink(missing_ok=True)

    def write(self, scan: str, files: Mapping[Path, bytes]) -> None:
        """Write the files of a scan, in order; the last is its record.

        Maps that an earlier record of this name has, and these files have not, are removed.
        """
        record = list(files)[-1]
        old = [path for path in maps_beside(record) if path not in files]
        if old:
            record.unlink(missing_ok=True)
        for path in old:
            path.unlink(missing_ok=True)
        for path, content in files.items():
            write_atomically(path, content)
        self._failure(scan).unlink(missing_ok=True)

    def write_failure(self, refused: Refused) -> None:
        """Keep what is wrong with a scan for ``failures.tsv``."""
        self._write_refusals(self._failure(refused.scan), [refused])

    def write_refused_rows(self, refused: Sequence[Refused], scans: Sequence[str]) -> None:
        """Keep what is wrong with the input as a whole, and forget scans that are not in it."""
        self._write_refusals(self.out / PROBLEMS / _OF_INPUT, refused)
        known = {_OF_INPUT, *(self._failure(scan).name for scan in scans)}
        for path in (self.out / PROBLEMS).glob("*.json"):
            if path.name not in known:
                path.unlink(missing_ok=True)

    def write_tables(self, classes: Sequence[str]) -> None:
        """Write the tables of all scans, whichever job mapped them; classes in their order."""
        write_tables(self.out, classes)

    def _failure(self, scan: str) -> Path:
        digest = hashlib.sha256(scan.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return self.out / PROBLEMS / f"{digest}.json"

    def _write_refusals(self, path: Path, refused: Sequence[Refused]) -> None:
        rows = [asdict(Refusal(*refusal_fields(each))) for each in refused]
        write_atomically(path, encode_json(rows))

    def _claim(self, run: Mapping[str, Any]) -> None:
        """Make the folder, or see that it was begun with this run."""
        if claim_folder(self.out, DESCRIPTION, _description(run)) is None:
            return
        try:
            found = read_versioned(self.out / DESCRIPTION, MAPS_FORMAT).get("Run")
        except NewerFormatError:
            raise
        except InputError:
            found = None
        if found != run:
            raise InputError(
                f"{self.out} holds maps of another run, or something else: choose another "
                "folder, or delete it"
            )


@dataclass(frozen=True)
class MapsFolder:
    """What a folder of maps holds.

    Attributes
    ----------
    folder
        Where they are.
    records
        One per scan and class, sorted by name.
    failures
        Scans without maps, and files that are damaged.
    """

    folder: Path
    records: tuple[ScanRecord, ...]
    failures: tuple[Refusal, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, sorted."""
        return tuple(sorted({name for record in self.records for name in record.probabilities}))

    @property
    def predictors(self) -> tuple[str, ...]:
        """Who predicted, as far as the records tell: one, unless they are of several runs."""
        return tuple(sorted({record.predictor for record in self.records} - {""}))


def is_maps(folder: Path) -> bool:
    """Tell whether a folder is one of maps."""
    return (folder / MAPS).exists() or bool(record_paths(folder))


def read_maps(folder: Path) -> MapsFolder:
    """Read the records of a folder of maps; the maps themselves are not opened.

    A damaged record becomes a failure, and the others stay.

    Raises
    ------
    InputError
        If there is no record that can be used.
    NewerFormatError
        If a newer version of hrcam has written a file.
    """
    if (folder / DESCRIPTION).exists():
        read_versioned(folder / DESCRIPTION, MAPS_FORMAT)
    records, damaged = [], []
    for path in record_paths(folder):
        try:
            records.append(read_record(path))
        except NewerFormatError:
            raise
        except InputError as error:
            message = str(error).replace(str(path), path.name)
            damaged.append(unreadable(path.stem, path.name, message))
    listed = read_refusals(folder / FAILURES)
    if not records:
        raise InputError(
            f"{folder} has no maps that can be shown ({len(listed) + len(damaged)} failed): "
            "make them with `hrcam map`"
        )
    return MapsFolder(
        folder, tuple(sorted(records, key=lambda record: record.scan)), (*listed, *damaged)
    )


def unreadable(scan: str, file: str, message: str) -> Refusal:
    """Describe maps that cannot be shown."""
    advice = "Make the maps of this scan again."
    return Refusal(scan, file, "unreadable-map", message, advice)


def software(records: Sequence[ScanRecord]) -> dict[str, str]:
    """Versions that made the maps; several of one package are all named."""
    found: dict[str, set[str]] = {}
    for record in records:
        for name, version in record.versions.items():
            found.setdefault(name, set()).add(version)
    return {name: " and ".join(sorted(versions)) for name, versions in sorted(found.items())}


def _description(run: Mapping[str, Any]) -> bytes:
    description = {
        "Name": "HR-CAM maps",
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "hrcam", "Version": versions_of("hrcam")["hrcam"]}],
        BIDS_FORMAT: MAPS_FORMAT,
        "Run": dict(run),
    }
    return encode_json(description)
