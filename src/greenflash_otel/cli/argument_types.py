"""What arguments may be: each function reads one, or says in a sentence what to write."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Final
from urllib.parse import urlsplit

from greenflash_otel.cli.command_parser import suggest

UNITS_S: Final = {"s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400, "w": 604_800}
AGE: Final = re.compile(r"(\d{1,9}) ?([a-z]+)", re.ASCII)
API: Final = "/api/v1"


def read_count(text: str) -> int:
    """Read a number from 0 on."""
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise ArgumentTypeError(f"{text!r} is no whole number from 0 on")
    return int(text)


def read_positive(text: str) -> int:
    """Read a number from 1 on."""
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or int(text) == 0:
        raise ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return int(text)


def read_name(text: str) -> str:
    """Read an id or a name, which is not empty."""
    if not text.strip():
        raise ArgumentTypeError("is empty")
    return text


def read_since(text: str) -> str:
    """Read an age such as ``10m``, a day or a time; return the instant, in UTC, as the API writes it."""
    try:
        if (age := AGE.fullmatch(text.strip())) and age[2] in UNITS_S:
            instant = datetime.now(timezone.utc) - timedelta(seconds=int(age[1]) * UNITS_S[age[2]])
        else:
            instant = datetime.fromisoformat(re.sub("[zZ]$", "+00:00", text.strip()))
            instant = instant if instant.tzinfo else instant.replace(tzinfo=timezone.utc)
        utc = instant.astimezone(timezone.utc).replace(tzinfo=None)
        return utc.isoformat(timespec="microseconds") + "Z"
    except (ValueError, OverflowError):
        raise ArgumentTypeError(
            f"{text!r} is no age such as 30s, 10m, 2h or 7d, and no time such as 2026-01-31T09:30:00Z"
        ) from None


def read_at_ms(text: str) -> int:
    """Read an age or a time as `read_since` does; return Unix milliseconds."""
    return int(datetime.fromisoformat(read_since(text).replace("Z", "+00:00")).timestamp() * 1000)


def read_url(text: str) -> str:
    """Read the address of an emulator; its API's counts, too."""
    error = ArgumentTypeError(f"{text!r} is no address such as http://127.0.0.1:8765")
    try:
        parts = urlsplit(text.strip())
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise error from None
    if not is_address or not text.strip().isprintable():
        raise error
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/').removesuffix(API)}"


def make_names_reader(names: Sequence[str]) -> Callable[[str], Sequence[str]]:
    """Make a function that reads some of these names, separated by commas."""

    def read_names(text: str) -> Sequence[str]:
        found = [name.strip() for name in text.split(",") if name.strip()]
        for name in found:
            if name not in names:
                question = suggest(name, names)
                raise ArgumentTypeError(f"{name!r} is none of {', '.join(names)}. {question}".strip())
        if not found:
            raise ArgumentTypeError(f"is empty; write some of {', '.join(names)}")
        return found

    return read_names
