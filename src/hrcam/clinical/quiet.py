"""Libraries that neither warn nor log while they work: they quote what identifies patients."""

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

_ONE_AT_A_TIME = threading.RLock()  # what follows is set for the whole process
_TALKATIVE = ("dicomweb_client", "highdicom", "pydicom", "pynetdicom")


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the DICOM libraries, in one thread at a time."""
    from pydicom.config import disable_value_validation

    with ExitStack() as stack:
        stack.enter_context(_ONE_AT_A_TIME)
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.enter_context(disable_value_validation())
        for name in _TALKATIVE:
            logger = logging.getLogger(name)
            stack.callback(logger.setLevel, logger.level)
            logger.setLevel(logging.CRITICAL + 1)
        yield
