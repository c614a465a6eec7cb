"""``greenflash-otel outbox``: look after what waits to be delivered, and after what was refused."""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from greenflash_otel.delivery import inspector
from greenflash_otel.delivery.inspector import ASIDE, WAITING, Kept, Shelf
from greenflash_otel.delivery.stats import Stats
from greenflash_otel.errors import ConfigurationError
from greenflash_otel.pipeline import Pipeline
from greenflash_otel.settings import MEMORY, Settings

ANY_PRODUCT = "00000000-0000-0000-0000-000000000000"
"""What waits in the outbox names its own product; no new one is needed to send it."""


def flush(given: argparse.Namespace) -> int:
    """Deliver what waits."""
    settings = _settings()
    _folder(settings)
    if settings.api_key is None:
        print("There is no API key: set GREENFLASH_API_KEY.", file=sys.stderr)
        return 2
    pipeline = Pipeline(settings)
    refused_before = pipeline.stats().rejected
    pipeline.flush(given.timeout)
    stats = pipeline.stats()
    print(stats)
    if stats.rejected:
        print("See 'greenflash-otel outbox list' for what was refused, and why.")
    pipeline.shutdown(0)
    return 1 if stats.pending or stats.lost or stats.rejected > refused_before else 0


def status(given: argparse.Namespace) -> int:
    """Count what waits."""
    with _opened() as (folder, lying):
        kept = list(lying.kept())
        pending, rejected = (
            sum(each.items for each in kept if each.name.startswith(state)) for state in (WAITING, ASIDE)
        )
        print(f"{folder}: {Stats(accepted=pending + rejected, pending=pending, rejected=rejected)}")
        if others := lying.others():
            print(f"{others} more files belong to running processes, which count and deliver themselves.")
        if damaged := lying.damaged():
            print(f"{damaged} damaged files were set apart; what could be read of them is counted above.")
    return 0


def show_all(given: argparse.Namespace) -> int:
    """One line for each request that lies there."""
    with _opened() as (_, lying):
        for kept in lying.kept():
            print("\t".join(_columns(kept)))
    return 0


def show(given: argparse.Namespace) -> int:
    """Everything about some requests, with their content."""
    with _opened() as (_, lying):
        for kept in _chosen(lying, given):
            print(json.dumps(_described(kept), indent=2, ensure_ascii=False))
    return 0


def export(given: argparse.Namespace) -> int:
    """Everything about all requests, one JSON object per line."""
    with _opened() as (_, lying):
        for kept in lying.kept():
            print(json.dumps(_described(kept), ensure_ascii=False))
    return 0


def retry(given: argparse.Namespace) -> int:
    """Let what was refused wait for delivery again."""
    with _opened() as (_, lying):
        done = [lying.retry(kept) for kept in _chosen(lying, given)]
    print(f"{sum(done)} wait again; 'greenflash-otel outbox flush' delivers them.")
    if unreadable := len(done) - sum(done):
        print(f"{unreadable} stay: they are damaged, or wait already.", file=sys.stderr)
    return 1 if unreadable else 0


def drop(given: argparse.Namespace) -> int:
    """Remove requests for good."""
    with _opened() as (_, lying):
        chosen = _chosen(lying, given)
        for kept in chosen:
            lying.drop(kept)
    print(f"{len(chosen)} removed.")
    return 0


def _chosen(lying: Shelf, given: argparse.Namespace) -> list[Kept]:
    """The requests that were named, or all that were set aside."""
    kept = {each.name: each for each in lying.kept()}
    if given.refused:
        return [each for name, each in kept.items() if name.startswith(ASIDE)]
    if unknown := [name for name in given.names if name not in kept]:
        raise ConfigurationError(f"there is no {unknown[0]} here; see 'greenflash-otel outbox list'")
    if not given.names:
        raise ConfigurationError("name what you mean, as 'outbox list' shows it, or write --refused")
    return [kept[name] for name in given.names]


def _columns(kept: Kept) -> tuple[str, ...]:
    request = kept.request
    what = f"{request.kind} of {request.conversation_id or 'no conversation'}" if request else "damaged"
    return kept.name, f"{kept.items} item{'s' if kept.items > 1 else ''}", what, kept.reason or "waits"


def _described(kept: Kept) -> dict[str, Any]:
    request = kept.request
    return {
        "name": kept.name,
        "reason": kept.reason or None,
        "attempts": kept.attempts,
        "kind": request.kind if request else None,
        "path": request.path if request else None,
        "conversation": request.conversation_id if request else None,
        "body": json.loads(request.body) if request else None,
    }


@contextmanager
def _opened() -> Iterator[tuple[Path, Shelf]]:
    settings = _settings()
    folder = _folder(settings)
    if folder is None:
        raise ConfigurationError("GREENFLASH_OUTBOX is :memory:, which ends with its process; name a folder")
    try:
        with inspector.opened(folder) as lying:
            yield folder, lying
    except (OSError, sqlite3.Error) as error:
        raise ConfigurationError(f"cannot use the outbox {folder}: {error}") from error


def _settings() -> Settings:
    product = os.environ.get("GREENFLASH_PRODUCT_ID") or ANY_PRODUCT
    return Settings.read(os.environ, product_id=product, export="greenflash")


def _folder(settings: Settings) -> Path | None:
    """The folder. Refuses what an application gets memory for instead: it would look like an empty outbox."""
    if settings.outbox == MEMORY:
        return None
    folder = Path(settings.outbox)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        reason = None if os.access(folder, os.R_OK | os.W_OK | os.X_OK) else "Permission denied"
    except OSError as error:
        reason = error.strerror
    if reason:
        raise ConfigurationError(
            f"cannot use the outbox {folder}: {reason}; set GREENFLASH_OUTBOX to a folder you can write to"
        )
    return folder
