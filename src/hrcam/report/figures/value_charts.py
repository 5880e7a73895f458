"""Charts of predicted values against true ones."""

from collections.abc import Callable

from matplotlib.ticker import MaxNLocator

from hrcam.artifacts.run_folder import RunFolder
from hrcam.artifacts.value_tables import PredictedValue
from hrcam.report.figures.charts import HEAD, NETWORK, Chart, Series
from hrcam.report.page.text import minus

_TICKS = 5


def value_charts(run: RunFolder, target: str) -> tuple[Chart, ...]:
    """Return a chart of the network, and one of HR-CAM's head, on the same scale.

    Parameters
    ----------
    run
        A regression.
    target
        Name of the value.
    """
    sources: dict[str, Callable[[PredictedValue], float]] = {
        NETWORK: lambda row: row.network,
        HEAD: lambda row: row.head,
    }
    values = [value for row in run.values for value in (row.label, row.network, row.head)]
    # Two numbers that differ, also where all values are the same.
    middle, margin = (min(values) + max(values)) / 2, (max(values) - min(values)) / 2 or 1.0
    ticks = list(map(float, MaxNLocator(_TICKS).tick_values(middle - margin, middle + margin)))
    low, span = ticks[0], ticks[-1] - ticks[0]
    labels = tuple(((tick - low) / span, minus(f"{tick:g}")) for tick in ticks)
    return tuple(
        Chart(
            f"{target}: {name}",
            f"True {target}",
            f"Predicted {target}",
            (
                Series(
                    "",
                    tuple(((row.label - low) / span, (of(row) - low) / span) for row in run.values),
                    style=str(index),
                    joined=False,
                ),
            ),
            "Each point is a scan that the network was not trained on. Diagonal: perfect "
            "prediction.",
            labels,
        )
        for index, (name, of) in enumerate(sources.items())
    )
