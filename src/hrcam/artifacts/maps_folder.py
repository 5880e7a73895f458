"""A folder of maps: whose it is, which scans are done, and what was read from all of them."""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hrcam.artifacts.atomic import PARTIALS, write_atomically, write_in_order
from hrcam.artifacts.claim import claim_folder
from hrcam.artifacts.formats import encode_json, read_versioned
from hrcam.artifacts.map_names import (
    DESCRIPTION,
    FAILURES,
    MAPS,
    SOURCEDATA,
    ScanPlace,
    files_beside,
    record_paths,
)
from hrcam.artifacts.maps_dataset import (
    MAPS_FORMAT,
    add_to_description,
    describe,
    write_dataset_files,
)
from hrcam.artifacts.maps_tables import PROBLEMS, unlike_scans, write_tables
from hrcam.artifacts.refusals import Refusal, Refused, read_refusals, refusal_fields
from hrcam.artifacts.scan_record import (
    Form,
    MapInput,
    ScanRecord,
    mapped_sources,
    read_record,
    usable_record,
)
from hrcam.artifacts.source_dataset import SourceDataset
from hrcam.errors import InputError, NewerFormatError, OlderFormatError

_OF_INPUT = "table.json"


class MapsWriter:
    """Writes a folder of maps, a BIDS derivative; several jobs may write to one at once.

    A scan's record is written last: where it is and fits, the scan is done.

    Parameters
    ----------
    out
        New, empty, or of an earlier job with the same run.
    run
        What tells the run from others.
    sources
        BIDS data sets that the images are from.
    authors
        Of the maps; if there are none, those of the sources.

    Raises
    ------
    InputError
        If the folder holds maps of another run, or something else.
    NewerFormatError, OlderFormatError
        If another version of hrcam has written it, in another format.
    """

    def __init__(
        self,
        out: Path,
        run: Mapping[str, Any],
        sources: Sequence[SourceDataset] = (),
        authors: Sequence[str] = (),
    ) -> None:
        self.out = out
        self._claim(run, describe(run, sources, authors))
        write_dataset_files(out)

    def remove_partials(self) -> None:
        """Remove what a killed job left of tables; that of a scan goes when it is mapped."""
        for folder in (self.out, self.out / PROBLEMS):
            for partial in folder.glob(PARTIALS):
                partial.unlink(missing_ok=True)

    def place(self, name: str, datatype: str = "anat") -> ScanPlace:
        """Return where a scan's files go, by its BIDS name; as `ScanPlace.of`."""
        return ScanPlace.of(self.out, name, datatype)

    def is_of_another(self, place: ScanPlace, images: tuple[Path, ...]) -> bool:
        """Tell whether maps of other images, by absolute paths, are where a scan's would go."""
        found = (mapped_sources(path) for path in place.records())
        return any(sources is not None and sources != images for sources in found)

    def is_done(
        self,
        place: ScanPlace,
        now: MapInput,
        wanted: str | None,
        form: Form | None = None,
        reference: str | None = None,
        further: Collection[str] = (),
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
            As in `ScanPrediction.chosen`.
        further
            Classes whose maps are wanted besides.
        """
        found = self._current(place, now, form)
        if _standing(found, wanted, reference) is None:
            return False
        if not set(further) <= {record.map_class for record in found}:
            return False
        self._failure(now.scan).unlink(missing_ok=True)
        return True

    def record(
        self,
        place: ScanPlace,
        now: MapInput,
        wanted: str | None,
        reference: str | None = None,
        form: Form | None = None,
    ) -> ScanRecord | None:
        """Return the record that stands for a scan and is up to date; None if there is none.

        Parameters are as in `is_done`.
        """
        return _standing(self._current(place, now, form), wanted, reference)

    def standing(self, place: ScanPlace, now: MapInput, form: Form) -> frozenset[str]:
        """Return the classes whose maps stand for a scan and are up to date and of a form."""
        records = self._current(place, now, form)
        return frozenset(record.map_class for record in records if record.primary)

    def _current(self, place: ScanPlace, now: MapInput, form: Form | None) -> list[ScanRecord]:
        """Return all records of a scan that are up to date and of a form."""
        records = (usable_record(path) for path in place.records())
        return [
            record
            for record in records
            if record is not None and record.is_current(now) and (form is None or record.has(form))
        ]

    def clear(self, place: ScanPlace, now: MapInput) -> None:
        """Remove what is out of date of a scan, and what a killed job left half written."""
        for path in place.records():
            record = usable_record(path)
            if record is None or not record.is_current(now):
                path.unlink(missing_ok=True)
                for file in files_beside(path):
                    file.unlink(missing_ok=True)
        for partial in place.partials():
            partial.unlink(missing_ok=True)

    def write(self, scan: str, files: Mapping[Path, bytes]) -> None:
        """Write the files of a scan, in order; the last is its record.

        Maps that an earlier record of this name has, and these files have not, are removed.
        """
        record = list(files)[-1]
        old = [path for path in files_beside(record) if path not in files]
        if old:
            record.unlink(missing_ok=True)
        for path in old:
            path.unlink(missing_ok=True)
        write_in_order(files)
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

    def unlike_scans(self) -> frozenset[str]:
        """Return the names of the scans in the tables that are unlike those of the training."""
        return unlike_scans(self.out)

    def _failure(self, scan: str) -> Path:
        digest = hashlib.sha256(scan.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return self.out / PROBLEMS / f"{digest}.json"

    def _write_refusals(self, path: Path, refused: Sequence[Refused]) -> None:
        rows = [asdict(Refusal(*refusal_fields(each))) for each in refused]
        write_atomically(path, encode_json(rows))

    def _claim(self, run: Mapping[str, Any], description: Mapping[str, Any]) -> None:
        """Make the folder, or see that it was begun with this run."""
        content = encode_json(description)
        if claim_folder(self.out, DESCRIPTION, content, beside=(SOURCEDATA,)) is None:
            return
        try:
            found = _read_description(self.out).get("Run")
        except (NewerFormatError, OlderFormatError):
            raise
        except InputError:
            found = None
        if found != run:
            raise InputError(
                f"{self.out} holds maps of another run, or something else: choose another "
                "folder, or delete it"
            )
        add_to_description(self.out, description)


def _standing(
    records: Iterable[ScanRecord], wanted: str | None, reference: str | None
) -> ScanRecord | None:
    for record in records:
        chosen = wanted or record.prediction.chosen(reference)
        if record.primary and record.map_class == chosen:
            return record
    return None


@dataclass(frozen=True)
class MapsFolder:
    """What a folder of maps holds.

    Attributes
    ----------
    folder
        Where they are.
    records
        Those that stand for a scan, sorted by name: one of each, unless maps of several classes
        were asked for one after the other.
    further
        Those of all other classes, of scans that were mapped for all, sorted by name.
    failures
        Scans without maps, and files that are damaged.
    """

    folder: Path
    records: tuple[ScanRecord, ...]
    further: tuple[ScanRecord, ...]
    failures: tuple[Refusal, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, sorted; of a regression that of the value."""
        return tuple(sorted({name for each in self.records for name in each.prediction.outputs}))

    @property
    def target(self) -> str | None:
        """Name of the value that a regression predicts; None otherwise."""
        return self.records[0].prediction.target

    @property
    def exclusive(self) -> bool:
        """Whether the maps are of classes, of which a scan has one."""
        return self.records[0].prediction.exclusive

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
    NewerFormatError, OlderFormatError
        If another version of hrcam has written a file, in another format.
    """
    if (folder / DESCRIPTION).exists():
        _read_description(folder)
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
    records.sort(key=lambda record: record.scan)
    primary = tuple(record for record in records if record.primary)
    if not primary:
        raise InputError(
            f"{folder} has no maps that can be shown ({len(listed) + len(damaged)} failed): "
            "make them with `hrcam map`"
        )
    further = tuple(record for record in records if not record.primary)
    return MapsFolder(folder, primary, further, (*listed, *damaged))


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


def _read_description(folder: Path) -> dict[str, Any]:
    return read_versioned(folder / DESCRIPTION, MAPS_FORMAT, oldest=MAPS_FORMAT)
