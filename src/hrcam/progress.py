"""How far a long job is: one bar on a terminal, and a line every 30 seconds in a log."""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Self, TypeVar

from tqdm import tqdm

logger = logging.getLogger(__name__)

Item = TypeVar("Item")

_EVERY = 30.0  # seconds


class Progress:
    """Counts what is done; shows the rate, and the time that is left at that rate.

    Parameters
    ----------
    total
        Number of things to do.
    doing
        What is done, as "mapping".
    things
        To what, as "scans".
    shown
        Pass False to show nothing.
    clock
        Gives seconds.
    """

    def __init__(
        self,
        total: int,
        doing: str,
        things: str,
        *,
        shown: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total, self._doing, self._things = total, doing, things
        terminal = sys.stderr.isatty()
        self._logs = shown and not terminal
        self._bar = tqdm(
            total=total,
            desc=doing,
            unit=f" {things}",
            disable=not (shown and terminal),
            leave=False,
        )
        self._done = 0
        self._clock = clock
        self._start = self._last = clock()

    def update(self, count: int = 1, note: str = "") -> None:
        """Count things that were done now; a bar shows the note after the time."""
        self._done += count
        self._bar.set_postfix_str(note, refresh=False)
        self._bar.update(count)
        now = self._clock()
        if self._logs and now - self._last >= _EVERY:
            self._last = now
            logger.info("%s", self._line(now - self._start))

    def skip(self, count: int = 1) -> None:
        """Count things that need not be done, as they say nothing of the speed."""
        self._total -= count
        self._bar.total = self._total
        self._bar.refresh()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.close()

    def _line(self, seconds: float) -> str:
        left = (self._total - self._done) * seconds / self._done
        rate = self._done / seconds
        speed = f"{rate:.3g} a second" if rate >= 1 else f"{1 / rate:.3g} s each"
        return (
            f"{self._doing}: {self._done} of {self._total} {self._things}, {speed}, "
            f"{duration(left)} left"
        )


def tracked(
    items: Iterable[Item], total: int, doing: str, things: str, *, shown: bool = True
) -> Iterator[Item]:
    """Yield items, and count each when the next is asked for; parameters are as in `Progress`."""
    with Progress(total, doing, things, shown=shown) as progress:
        for item in items:
            yield item
            progress.update()


def duration(seconds: float) -> str:
    """Return a time in words, as "1 h 20 min"."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
