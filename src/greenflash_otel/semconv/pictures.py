"""Pictures as spans name them: by address, or as data within the address. Pure."""

from __future__ import annotations

from greenflash_otel.operations import Media
from greenflash_otel.semconv.parts import digest_of


def picture_at(url: str) -> Media:
    """A picture by its address; of one that is within it, the digest."""
    if not url.startswith("data:"):
        return Media("image", uri=url)
    head, _, data = url.partition(",")
    digest, size_bytes = digest_of(data)
    mime_type = head.removeprefix("data:").partition(";")[0] or None
    return Media("image", mime_type=mime_type, digest=digest, size_bytes=size_bytes)
