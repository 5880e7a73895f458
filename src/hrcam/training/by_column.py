"""Metrics of the network for each value of a column: whether it is as good for everybody."""

from collections.abc import Sequence

from hrcam.artifacts.atomic import write_atomically
from hrcam.artifacts.by_column_table import BY_COLUMN, SCORED, ByColumnRow, encode_by_column
from hrcam.artifacts.run_folder import read_folds
from hrcam.cohort.columns import MOST_VALUES, divided_by
from hrcam.cohort.scan import Cohort
from hrcam.evaluation.prediction import score_predictions
from hrcam.training.fold_jobs import TrainingJob
from hrcam.training.prediction_rows import prediction_arrays

SITE = "site"

FEWEST = 10
"""Fewest participants or groups with a value that are scored: of fewer, an interval is void."""


def checked_columns(cohort: Cohort, asked: Sequence[str]) -> tuple[str, ...]:
    """Return the columns to score by: those that are asked for, and the site where it is known.

    Raises
    ------
    InputError
        If there is no such column, or it has too many categories.
    """
    for column in asked:
        divided_by(cohort.scans, column)
    sites = {scan.columns.get(SITE) for scan in cohort.scans}
    known = (SITE,) if 1 < len(sites) <= MOST_VALUES else ()
    return tuple(dict.fromkeys((*known, *(column.casefold() for column in asked))))


def write_by_column(job: TrainingJob, columns: Sequence[str]) -> tuple[ByColumnRow, ...]:
    """Write ``by_column.tsv`` of a run whose folds are trained, and return it.

    Parameters
    ----------
    job
        The run, of classes.
    columns
        As `checked_columns` returns them; numbers are divided in thirds of the tested scans. For
        none there is no file.

    Returns
    -------
    tuple of ByColumnRow
        For each column its values, in their order.

    Raises
    ------
    InputError
        If the scans that the checks accepted have none of a column.
    """
    if not columns:
        return ()
    classes = job.cohort.classes
    tested = read_folds(job.folder, job.repeats, classes)
    by_name = {scan.name: scan for scan in job.cohort.scans}
    scans = [by_name[row.scan] for row in tested]
    found = prediction_arrays(tested, classes)
    rows = []
    for column in columns:
        for value, places in divided_by(scans, column).items():
            participants = len(set(found.groups[places].tolist()))
            row = ByColumnRow(
                column, value, len({scans[place].name for place in places}), participants, {}
            )
            if participants >= FEWEST:
                scores = score_predictions(
                    found.labels[places],
                    found.probabilities[places],
                    classes=classes,
                    groups=found.groups[places],
                    repeats=found.repeats[places],
                    seed=job.config.seed,
                )
                for name in SCORED:
                    one = scores.metrics[name]
                    row.metrics[name] = one.value, one.low, one.high
            rows.append(row)
    write_atomically(job.folder / BY_COLUMN, encode_by_column(rows))
    return tuple(rows)
