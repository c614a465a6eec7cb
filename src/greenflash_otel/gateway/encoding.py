"""Undo a request's content encoding, within a bound. Pure.

A few kilobytes can unpack to gigabytes: whatever grows beyond the bound is refused while it grows.
"""

from __future__ import annotations

import zlib
from importlib import import_module
from typing import Any

CHUNK_BYTES = 1 << 20
ZSTD_WINDOW_BYTES = 8 << 20
"""The largest window that RFC 8878 recommends every decoder to support."""


class TooLargeError(ValueError):
    """The body is larger than allowed when it is unpacked."""


class UnknownEncodingError(ValueError):
    """Nobody here can undo it."""


def decoded(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """The body as it was before ``Content-Encoding``.

    Raises:
        UnknownEncodingError: Neither gzip, deflate, zstd nor identity; or zstd without its library.
        TooLargeError: It is larger than ``max_bytes``.
        ValueError: It is broken.
    """
    name = encoding.strip().lower() or "identity"
    if name == "identity":
        content = body
    elif name in ("gzip", "x-gzip", "deflate"):
        content = _inflated(body, max_bytes)
    elif name == "zstd":
        content = _unpacked(body, max_bytes)
    else:
        raise UnknownEncodingError(f"Content-Encoding {encoding!r}; send gzip, zstd or none")
    if len(content) > max_bytes:
        raise TooLargeError(f"larger than {max_bytes} bytes")
    return content


def _inflated(body: bytes, max_bytes: int) -> bytes:
    content = bytearray()
    while body:  # a gzip file may have several members
        inflater = zlib.decompressobj(zlib.MAX_WBITS | 32)
        try:
            content += inflater.decompress(body, max_bytes - len(content) + 1)
        except zlib.error as error:
            raise ValueError(f"cannot be inflated: {error}") from None
        if len(content) > max_bytes:
            raise TooLargeError(f"larger than {max_bytes} bytes")
        if not inflater.eof:
            raise ValueError("ends before its end")
        body = inflater.unused_data
    return bytes(content)


def _unpacked(body: bytes, max_bytes: int) -> bytes:
    try:
        library: Any = import_module("zstandard")
    except ImportError:
        raise UnknownEncodingError("Content-Encoding 'zstd' needs the package zstandard; send gzip") from None
    content = bytearray()
    try:
        decompressor = library.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES)
        with decompressor.stream_reader(body, read_across_frames=True) as reader:
            while chunk := reader.read(CHUNK_BYTES):
                content += chunk
                if len(content) > max_bytes:
                    raise TooLargeError(f"larger than {max_bytes} bytes")
    except library.ZstdError as error:
        raise ValueError(f"cannot be unpacked: {error}") from None
    return bytes(content)
