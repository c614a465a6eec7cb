"""Undo a request's content encoding, within a bound. Pure.

A few kilobytes can unpack to gigabytes: the gateway refuses what grows beyond the bound while it grows.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from typing import Any, TypeAlias

from greenflash_otel.gateway.limits import ContentLimits, TooLargeError

Content: TypeAlias = "bytes | bytearray"

CHUNK_BYTES = 256 << 10
INPUT_BYTES = 64 << 10
MAX_MEMBERS = 1_000
"""Of a gzip body. Senders make one; each costs the gateway more than its few bytes."""
ZSTD_WINDOW_BYTES = 8 << 20
"""The largest window that RFC 8878 recommends every decoder to support."""
GZIP = ("gzip", "x-gzip", "deflate")


class UnknownEncodingError(ValueError):
    """The gateway cannot undo this encoding."""


def decode_body(body: Content, encoding: str, limits: ContentLimits) -> Content:
    """Return the body as it was before ``Content-Encoding``; the body itself if it has none.

    Raises:
        UnknownEncodingError: Neither gzip, deflate, zstd nor identity; or zstd without its library.
        TooLargeError: The content is larger than allowed, or grows too much.
        ValueError: The body is broken.
    """
    name = encoding.strip().lower() or "identity"
    if name == "identity":
        if len(body) > limits.max_bytes:
            raise TooLargeError(f"larger than {limits.max_bytes} bytes")
        return body
    if name in GZIP:
        return _unpack(partial(_inflate, body), _compute_bound(len(body), limits))
    if name == "zstd":
        return _unpack(partial(_decompress_zstd, body), _compute_bound(len(body), limits))
    raise UnknownEncodingError(f"Content-Encoding {encoding!r}; send gzip, zstd or none")


def _compute_bound(packed_bytes: int, limits: ContentLimits) -> int:
    return min(limits.max_bytes, max(limits.free_bytes, limits.max_ratio * packed_bytes))


def _unpack(chunks: Callable[[], Iterator[bytes]], max_bytes: int) -> bytearray:
    """Return all chunks as one, within a bound.

    The first pass only counts. It costs little against what comes later, and no memory is taken for a bomb.
    """
    size = 0
    for chunk in chunks():
        size += len(chunk)
        if size > max_bytes:
            raise TooLargeError(f"larger than the {max_bytes} bytes that it may unpack to")
    content, position = bytearray(size), 0
    for chunk in chunks():
        content[position : position + len(chunk)] = chunk
        position += len(chunk)
    return content


def _inflate(body: Content) -> Iterator[bytes]:
    position = 0
    for _ in range(MAX_MEMBERS):  # a gzip file may have several members
        inflater = zlib.decompressobj(zlib.MAX_WBITS | 32)
        while position < len(body) and not inflater.eof:
            packed = bytes(body[position : position + INPUT_BYTES])  # small: zlib copies what it leaves
            position += len(packed)
            yield from _inflate_part(inflater, packed)
        if not inflater.eof:
            raise ValueError("broken: it ends before its end")
        position -= len(inflater.unused_data)
        if position == len(body):
            return
    raise ValueError(f"packed in more than {MAX_MEMBERS} members")


def _inflate_part(inflater: Any, packed: bytes) -> Iterator[bytes]:
    while not inflater.eof:
        try:
            chunk = inflater.decompress(packed, CHUNK_BYTES)
        except zlib.error as error:
            raise ValueError(f"broken: it cannot be inflated: {error}") from None
        yield chunk
        packed = inflater.unconsumed_tail
        if not packed and len(chunk) < CHUNK_BYTES:  # a full chunk may have more behind it
            return


def _decompress_zstd(body: Content) -> Iterator[bytes]:
    try:
        library: Any = import_module("zstandard")
    except ImportError:
        raise UnknownEncodingError("Content-Encoding 'zstd' needs the package zstandard; send gzip") from None
    try:
        decompressor = library.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES)
        with decompressor.stream_reader(body, read_across_frames=True) as reader:
            while chunk := reader.read(CHUNK_BYTES):
                yield chunk
    except library.ZstdError as error:
        raise ValueError(f"broken: it cannot be unpacked: {error}") from None
