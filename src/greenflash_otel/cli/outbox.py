"""``greenflash-otel outbox flush`` and ``outbox status``."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

from greenflash_otel.errors import ConfigurationError
from greenflash_otel.pipeline import Pipeline
from greenflash_otel.settings import MEMORY, Settings

ANY_PRODUCT = "00000000-0000-0000-0000-000000000000"
"""What waits in the outbox names its own product; no new one is needed to send it."""


def flush(given: argparse.Namespace) -> int:
    """Deliver what waits."""
    settings = _settings()
    if settings.api_key is None:
        print("There is no API key: set GREENFLASH_API_KEY.", file=sys.stderr)
        return 2
    pipeline = Pipeline(settings)
    pipeline.flush(given.timeout)
    stats = pipeline.stats()
    print(stats)
    pipeline.shutdown(0)
    return 0 if stats.delivered == stats.accepted else 1


def status(given: argparse.Namespace) -> int:
    """Count what waits."""
    settings = replace(_settings(), api_key=None)
    pipeline = Pipeline(settings)
    print(f"{settings.outbox}: {pipeline.stats()}")
    pipeline.shutdown(0)
    return 0


def _settings() -> Settings:
    product = os.environ.get("GREENFLASH_PRODUCT_ID") or ANY_PRODUCT
    settings = Settings.read(os.environ, product_id=product, export="greenflash")
    if settings.outbox != MEMORY:
        _check_folder(Path(settings.outbox))
    return settings


def _check_folder(folder: Path) -> None:
    """Refuse what an application gets memory for instead: here it would look like an empty outbox."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        reason = None if os.access(folder, os.R_OK | os.W_OK | os.X_OK) else "Permission denied"
    except OSError as error:
        reason = error.strerror
    if reason:
        raise ConfigurationError(
            f"cannot use the outbox {folder}: {reason}; set GREENFLASH_OUTBOX to a folder you can write to"
        )
