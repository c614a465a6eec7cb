"""Keep the HTTP libraries' log lines about our deliveries out of the application's log.

httpx logs each request at INFO and httpcore each step at DEBUG. Lines about the application's own requests
pass unchanged, and no logger's level is touched.
"""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Final

LOGGERS: Final = (
    "httpx",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "httpcore.socks",
)
"""A logger's filter sees only what is logged with that very logger, so each is named."""

_is_quiet: ContextVar[bool] = ContextVar("greenflash_otel_is_quiet", default=False)


class _OtherRequests(logging.Filter):
    """Lets pass what does not come from a delivery of ours."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether a record is logged."""
        return not _is_quiet.get()


_filter: Final = _OtherRequests()
_find_logger: Final = functools.cache(logging.getLogger)
"""A logger is one object for as long as the process lives."""


@contextlib.contextmanager
def without_log_lines() -> Iterator[None]:
    """Let the HTTP libraries log nothing within the block."""
    for name in LOGGERS:
        if _filter not in (logger := _find_logger(name)).filters:
            logger.addFilter(_filter)
    token = _is_quiet.set(True)
    try:
        yield
    finally:
        _is_quiet.reset(token)
