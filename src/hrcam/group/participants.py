"""Who is compared: one map for each participant, from networks that did not learn from it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hrcam.artifacts.maps_folder import MapsFolder
from hrcam.artifacts.scan_record import ScanRecord
from hrcam.errors import InputError

FEWEST = 5
"""Fewest participants in a group: with five against five there are 252 ways to divide them."""


@dataclass(frozen=True)
class Participant:
    """Maps of one participant.

    Attributes
    ----------
    name
        Its name.
    group
        The true class.
    records
        Of its scans; their maps are averaged.
    covariates
        Values by column.
    """

    name: str
    group: str
    records: tuple[ScanRecord, ...]
    covariates: Mapping[str, str]

    @property
    def folds(self) -> tuple[int, ...]:
        """Whose networks made the maps."""
        return tuple(sorted({fold for record in self.records for fold in record.folds}))


@dataclass(frozen=True)
class Excluded:
    """A scan that is left out.

    Attributes
    ----------
    participant, scan
        Names.
    reason
        Why.
    """

    participant: str
    scan: str
    reason: str


@dataclass(frozen=True)
class Groups:
    """Two groups of participants.

    Attributes
    ----------
    of_class
        The class whose maps are compared.
    names
        The two groups; a positive difference means that the map is higher in the first.
    participants
        All of them, sorted by name.
    excluded
        Scans that are left out, and why.
    """

    of_class: str
    names: tuple[str, str]
    participants: tuple[Participant, ...]
    excluded: tuple[Excluded, ...]

    def count(self, group: str) -> int:
        """Return the number of participants of a group."""
        return sum(one.group == group for one in self.participants)


def choose_groups(
    maps: MapsFolder,
    covariates: Mapping[str, Mapping[str, str]],
    wanted: Sequence[str] = (),
    of_class: str | None = None,
    groups: tuple[str, str] | None = None,
) -> Groups:
    """Choose the participants of two groups.

    Scans without a label, scans that the networks have learnt from and participants without a value
    of each covariate are left out, and listed.

    Parameters
    ----------
    maps
        The folder of maps.
    covariates
        For each participant the values of its columns.
    wanted
        Columns that each participant must have.
    of_class
        The class whose maps are compared; None if the maps are of one class.
    groups
        Which true classes are compared; None where the scans have two.

    Raises
    ------
    InputError
        If the maps are of several classes, there are not two groups, a participant has two labels,
        a column is missing, or a group has fewer than `FEWEST` participants.
    """
    if not maps.exclusive:
        kind = "a number" if maps.target is not None else "several labels"
        raise InputError(
            f"the maps are of {', '.join(maps.classes)}, {kind}, and groups are of classes: "
            "compare the maps of a run that was trained on classes"
        )
    chosen = _one_class(maps.records, of_class)
    records = [record for record in maps.records if record.map_class == chosen]
    labelled = [record for record in records if record.label is not None]
    names = groups or _two_groups(labelled, chosen)
    unknown = [name for name in names if name not in {record.label for record in labelled}]
    if unknown:
        raise InputError(
            f"no scan has the label {unknown[0]!r}: the labels are {_labels(labelled)}"
        )
    excluded, kept = [], dict[str, list[ScanRecord]]()
    for record in records:
        reason = _why_not(record, names, covariates, wanted)
        if reason:
            excluded.append(Excluded(record.participant, record.scan, reason))
        else:
            kept.setdefault(record.participant, []).append(record)
    found = Groups(
        chosen,
        names,
        tuple(
            Participant(name, _label(name, scans), tuple(scans), covariates.get(name, {}))
            for name, scans in sorted(kept.items())
        ),
        tuple(excluded),
    )
    for name in names:
        if found.count(name) < FEWEST:
            reasons = Counter(one.reason for one in excluded)
            why = "".join(f"; {number} left out: {reason}" for reason, number in reasons.items())
            raise InputError(
                f"{name} has {found.count(name)} participants, and a test needs {FEWEST} in each "
                f"group{why}"
            )
    return found


def _one_class(records: Sequence[ScanRecord], of_class: str | None) -> str:
    present = sorted({record.map_class for record in records})
    if of_class is not None:
        if of_class not in present:
            raise InputError(
                f"there are no maps of the class {of_class!r}, but of {', '.join(present)}: make "
                f"them with `hrcam map --class`"
            )
        return of_class
    if len(present) > 1:
        raise InputError(
            f"the maps are of several classes ({', '.join(present)}), which cannot be compared: "
            "map all scans with `hrcam map --class NAME`, and give --class NAME here"
        )
    return present[0]


def _two_groups(labelled: Sequence[ScanRecord], of_class: str) -> tuple[str, str]:
    labels = sorted({record.label for record in labelled if record.label is not None})
    if len(labels) != 2:
        raise InputError(
            f"the scans have {len(labels)} labels ({_labels(labelled)}): name the two groups with "
            "--groups A,B"
        )
    first = of_class if of_class in labels else labels[0]
    return first, next(name for name in labels if name != first)


def _labels(records: Sequence[ScanRecord]) -> str:
    return ", ".join(sorted({record.label for record in records if record.label})) or "none"


def _why_not(
    record: ScanRecord,
    names: tuple[str, str],
    covariates: Mapping[str, Mapping[str, str]],
    wanted: Sequence[str],
) -> str:
    if record.label is None:
        return "it has no label"
    if record.label not in names:
        return "it is in neither group"
    if record.seen_in_training:
        return "the network has learnt from it, with its label"
    row = covariates.get(record.participant, {})
    missing = [name for name in wanted if not row.get(name)]
    return f"it has no {missing[0]}" if missing else ""


def _label(participant: str, records: Sequence[ScanRecord]) -> str:
    labels = sorted({record.label for record in records if record.label is not None})
    if len(labels) > 1:
        raise InputError(
            f"{participant} has scans of both groups ({', '.join(labels)}): this test is of "
            "participants that are in one group each"
        )
    return labels[0]
