"""The log of this process, as it was before something set it up."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from workbench.log_setup import OURS, QUIET


@contextmanager
def log_as_it_was() -> Iterator[None]:
    """Whoever runs within may call `start_log`: a command that is run in the test's own process does."""
    loggers = [logging.getLogger(), *(logging.getLogger(name) for name in (*OURS, *QUIET))]
    levels = [logger.level for logger in loggers]
    handlers = loggers[0].handlers[:]
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        loggers[0].handlers[:] = handlers
        logging.captureWarnings(False)
