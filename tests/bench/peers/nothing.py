"""No instrumentation: what the others are compared with."""

from __future__ import annotations


def begin(sink_url: str, folder: str) -> None:
    """Do nothing."""


def flush() -> None:
    """Do nothing."""
