"""Table of a run: how long training by each candidate plan would take, timed on its machine."""

from collections.abc import Iterable
from dataclasses import astuple, dataclass

from hrcam.artifacts.formats import encode_tsv

TIMINGS = "timings.tsv"

_COLUMNS = ("network", "shape", "epochs", "seconds_a_step", "seconds", "chosen")


@dataclass(frozen=True)
class Timing:
    """A candidate, and the time that it was estimated to take.

    Attributes
    ----------
    network
        Its name.
    shape
        Shape of the grid.
    epochs
        Epochs of each network.
    seconds_a_step
        Time of a step of the optimiser with its batch, as measured.
    seconds
        Estimated time of all trainings of the run, one after the other, if none stops early.
    chosen
        Whether the run is trained by it.
    """

    network: str
    shape: tuple[int, ...]
    epochs: int
    seconds_a_step: float
    seconds: float
    chosen: bool = False


def encode_timings(timings: Iterable[Timing]) -> bytes:
    """Encode timings as a table, in their order."""
    rows = []
    for timing in timings:
        network, shape, epochs, step, total, chosen = astuple(timing)
        sides = "x".join(map(str, shape))
        rows.append((network, sides, epochs, f"{step:.4g}", f"{total:.0f}", int(chosen)))
    return encode_tsv(_COLUMNS, rows)
