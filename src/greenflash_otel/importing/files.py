"""Open a file, packed with gzip or not."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import BinaryIO, cast

CUT = "the packed file ends in the middle"
NO_GZIP = "the file begins like gzip, and is none"


def open_file(path: Path) -> BinaryIO:
    """Open a file to read what is in it, unpacked. Raises OSError if that cannot be done."""
    if is_packed(path):
        return cast(BinaryIO, io.BufferedReader(cast("io.RawIOBase", gzip.open(path))))
    return path.open("rb")


def is_packed(path: Path) -> bool:
    """Return whether a file begins like one of gzip."""
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"
