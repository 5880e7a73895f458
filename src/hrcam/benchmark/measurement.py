"""What a benchmark writes down: one number of one subject, by one method, in one unit."""

from dataclasses import dataclass

import pandas as pd

from hrcam.benchmark.contest import Variant


@dataclass(frozen=True)
class Measurement:
    """One row of a unit's ``measurements.csv``.

    Attributes
    ----------
    subject
        Whose map, or whose prediction; its name in the cohort's table.
    variant
        The method, its level and its fusion; for predictions the method is the predictor.
    measure
        What was measured, such as ``auprc``.
    value
        The number; larger is better or not as the measure says.
    """

    subject: str
    variant: Variant
    measure: str
    value: float


COLUMNS = ("subject", "method", "level", "fusion", "measure", "value")


def as_table(measurements: list[Measurement]) -> pd.DataFrame:
    """Return one row for each measurement, in the columns of the file."""
    return pd.DataFrame(
        [
            (
                one.subject,
                one.variant.method,
                one.variant.level,
                one.variant.fusion,
                one.measure,
                one.value,
            )
            for one in measurements
        ],
        columns=list(COLUMNS),
    )
