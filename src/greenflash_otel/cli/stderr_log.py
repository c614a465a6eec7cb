"""Show the log of a command on stderr, one readable line for each record."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Final

COMMAND_FORMAT: Final = "%(levelname)s: %(message)s"
SERVER_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"


@contextlib.contextmanager
def log_to_stderr(*, is_server: bool) -> Iterator[None]:
    """Log warnings of every library to stderr within the block; of a server also what it says at INFO.

    A program that calls the command from Python may have configured logging. Then nothing is added to that.
    """
    root, ours = logging.getLogger(), logging.getLogger("greenflash_otel")
    if root.hasHandlers() or ours.hasHandlers():
        yield
        return
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(SERVER_FORMAT if is_server else COMMAND_FORMAT))
    root.addHandler(handler)
    level = ours.level
    if is_server and level == logging.NOTSET:
        ours.setLevel(logging.INFO)
    try:
        yield
    finally:
        ours.setLevel(level)
        root.removeHandler(handler)
