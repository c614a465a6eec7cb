"""``greenflash-otel outbox flush`` and ``outbox status``."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace

from greenflash_otel.pipeline import Pipeline
from greenflash_otel.settings import Settings

ANY_PRODUCT = "00000000-0000-0000-0000-000000000000"
"""What waits in the outbox names its own product; no new one is needed to send it."""


def flush(given: argparse.Namespace) -> int:
    """Deliver what waits."""
    settings = _settings()
    if settings.api_key is None:
        print("There is no API key: set GREENFLASH_API_KEY.", file=sys.stderr)
        return 2
    pipeline = Pipeline(settings)
    done = pipeline.flush(given.timeout)
    print(pipeline.stats())
    pipeline.shutdown(0)
    return 0 if done else 1


def status(given: argparse.Namespace) -> int:
    """Count what waits."""
    settings = replace(_settings(), api_key=None)
    pipeline = Pipeline(settings)
    print(f"{settings.outbox}: {pipeline.stats()}")
    pipeline.shutdown(0)
    return 0


def _settings() -> Settings:
    product = os.environ.get("GREENFLASH_PRODUCT_ID") or ANY_PRODUCT
    return Settings.read(os.environ, product_id=product, export="greenflash")
