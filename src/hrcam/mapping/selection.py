"""Which scans of a cohort are mapped: those of a split, or of a list."""

from collections.abc import Sequence
from pathlib import Path

from hrcam.cohort.scan import Scan
from hrcam.errors import InputError


def select_scans(
    scans: Sequence[Scan], *, split: str | None = None, subjects: str | None = None
) -> frozenset[str]:
    """Return the names of the scans that are asked for.

    Parameters
    ----------
    scans
        All scans of the input.
    split
        Only scans that the table has in this split, such as "test".
    subjects
        Only these scans or participants: their names, separated by commas, or a text file with one
        in each line.

    Raises
    ------
    InputError
        If there are none, or a name is not among them.
    """
    chosen = list(scans)
    if split is not None:
        chosen = [scan for scan in chosen if scan.split == split]
        if not chosen:
            found = ", ".join(sorted({scan.split for scan in scans if scan.split is not None}))
            raise InputError(
                f"no scan is in the split {split!r}: "
                + (f"the table has {found}" if found else "the table has no column split")
            )
    if subjects is not None:
        wanted = _names(subjects)
        known = {name for scan in scans for name in (scan.name, scan.participant)}
        if missing := [name for name in wanted if name not in known]:
            raise InputError(
                f"there is no scan or participant {', '.join(missing[:5])}"
                f"{' and others' if len(missing) > 5 else ''}: see --subjects"
            )
        chosen = [scan for scan in chosen if {scan.name, scan.participant} & set(wanted)]
        if not chosen:
            raise InputError(f"none of the subjects is in the split {split!r}")
    return frozenset(scan.name for scan in chosen)


def _names(subjects: str) -> list[str]:
    path = Path(subjects)
    try:
        lines = path.read_text().splitlines() if path.is_file() else subjects.split(",")
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a list of names: {error}") from error
    names = [line.strip() for line in lines if line.strip()]
    if not names:
        raise InputError(f"--subjects {subjects!r} names nobody")
    return names
