"""Format numbers, comparisons and figures for the page."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from hrcam.benchmark.summary.ranking import Score
from hrcam.evaluation.estimate import Estimate
from hrcam.report.page.content import Picture
from hrcam.report.page.text import estimate_text

Pictures = Mapping[str, bytes]
"""PNG files by the names of the figures: ``ratios``, ``auprc-NAME``, ..."""

MISSING = "–"


def cell(estimate: Estimate | None) -> str:
    """Format an estimate for a table, with two decimals."""
    return MISSING if estimate is None else estimate_text(asdict(estimate))


def outcome(rival: Score) -> str:
    """Return the comparison of the default map with a rival, by the interval of the ratio."""
    ratio = rival.ratio
    if ratio is None or ratio.low is None or ratio.high is None:
        return "not compared (too few subjects)"
    if ratio.low > 1:
        return "better"
    return "worse" if ratio.high < 1 else "not significantly different"


def listed(names: Sequence[str]) -> str:
    """Join names: "a, b and c"."""
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)


def picture(pictures: Pictures, name: str, alt: str, caption: str = "") -> tuple[Picture, ...]:
    """Return the figure of this name, if there is one."""
    return (Picture(pictures[name], alt, caption),) if name in pictures else ()
