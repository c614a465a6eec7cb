"""Content encodings are undone within a bound, whatever is sent."""

from __future__ import annotations

import gzip
import random
import sys
import zlib
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from greenflash_otel.gateway.encoding import CHUNK_BYTES, UnknownEncodingError, decode_body
from greenflash_otel.gateway.limits import ContentLimits, TooLargeError

PACK: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "identity": bytes,
    "gzip": gzip.compress,
    "GZIP ": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstandard.compress,
}


def unpacked(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """The body without its encoding, within a bound."""
    return bytes(decode_body(body, encoding, ContentLimits(max_bytes=max_bytes)))


@given(st.sampled_from(sorted(PACK)), st.binary(max_size=200))
def test_every_encoding(encoding: str, body: bytes) -> None:
    """What was packed comes out again, also from several members."""
    packed = PACK[encoding](body)
    assert unpacked(packed, encoding, 400) == body
    if encoding.strip().lower() in ("gzip", "zstd"):
        assert unpacked(packed + packed, encoding, 400) == body + body


@pytest.mark.parametrize("encoding", sorted(PACK))
def test_the_bound(encoding: str) -> None:
    """Exactly as much as allowed is taken, and not a byte more."""
    assert len(unpacked(PACK[encoding](b"x" * 1000), encoding, 1000)) == 1000
    with pytest.raises(TooLargeError):
        unpacked(PACK[encoding](b"x" * 1001), encoding, 1000)


@pytest.mark.parametrize("size", [CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES, 1_000_003])
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_sizes_around_a_chunk(encoding: str, size: int) -> None:
    """Nothing stays behind where a chunk ends."""
    for body in (bytes(size), random.Random(size).randbytes(size)):
        assert unpacked(PACK[encoding](body), encoding, 2_000_000) == body


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_growing_too_much(encoding: str) -> None:
    """A body may become many times larger, but not any number of times."""
    limits = ContentLimits(free_bytes=1000, max_ratio=10)
    with pytest.raises(TooLargeError):
        decode_body(PACK[encoding](bytes(100_000)), encoding, limits)
    assert len(decode_body(PACK[encoding](bytes(900)), encoding, limits)) == 900


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_a_bomb(encoding: str) -> None:
    """It is refused while it grows."""
    with pytest.raises(TooLargeError):
        unpacked(PACK[encoding](bytes(64 << 20)), encoding, 1 << 20)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_broken(encoding: str) -> None:
    """Cut off, or no such encoding at all."""
    packed = PACK[encoding](b"hello " * 100)
    for body in (packed[:-1], packed[:5], b"not packed"):
        with pytest.raises(ValueError, match=r"end|inflated"):
            unpacked(body, encoding, 10_000)
    with pytest.raises(ValueError, match="unpacked"):
        unpacked(b"not packed", "zstd", 10_000)


def test_unknown() -> None:
    """Nobody can undo it."""
    with pytest.raises(UnknownEncodingError):
        unpacked(b"", "br", 10)


def test_zstd_without_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sender is told what to send instead."""
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(UnknownEncodingError, match="send gzip"):
        unpacked(b"", "zstd", 10)
