"""A measurement of a benchmark: one value of one subject by one method."""

from dataclasses import dataclass

import pandas as pd

from hrcam.benchmark.variant import Variant


@dataclass(frozen=True)
class Measurement:
    """One row of a unit's ``measurements.csv``.

    Attributes
    ----------
    subject
        Name of the subject in the cohort's table.
    variant
        The method, its level, fusion and stage; for predictions the method is the predictor.
    measure
        Name of the measure, such as ``auprc``.
    value
        The value.
    """

    subject: str
    variant: Variant
    measure: str
    value: float


COLUMNS = ("subject", "method", "level", "fusion", "stage", "measure", "value")


def as_table(measurements: list[Measurement]) -> pd.DataFrame:
    """Return one row for each measurement, in the columns of the file."""
    return pd.DataFrame(
        [
            (
                one.subject,
                one.variant.method,
                one.variant.level,
                one.variant.fusion,
                one.variant.stage,
                one.measure,
                one.value,
            )
            for one in measurements
        ],
        columns=list(COLUMNS),
    )
