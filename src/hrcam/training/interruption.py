"""An interrupt from the keyboard that a library swallows, asked for again."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from lightning.pytorch.callbacks import Callback


class Interruption(Callback):
    """Stops a training at its next batch if it was interrupted and went on.

    Python raises KeyboardInterrupt wherever it is, and there are places where exceptions are
    lost: destructors, or functions that compiled code calls while it writes a file.
    """

    def __init__(self) -> None:
        self._interrupted = False

    def on_train_batch_start(self, *_arguments: Any, **_options: Any) -> None:
        """Raise KeyboardInterrupt if there was one."""
        if self._interrupted:
            raise KeyboardInterrupt

    @contextmanager
    def noticed(self) -> Iterator[None]:
        """Notice interrupts while inside, unless somebody else handles them."""
        python = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if not python or threading.current_thread() is not threading.main_thread():
            yield
            return
        signal.signal(signal.SIGINT, self._note)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if self._interrupted:
            raise KeyboardInterrupt

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._interrupted = True
        signal.default_int_handler(number, frame)
