"""LangChain's messages as the parts that they are."""

from __future__ import annotations

import base64

import pytest
from langchain_core.messages import HumanMessage

from greenflash_otel.json_values import digest_of_bytes
from greenflash_otel.model.operation import Media
from greenflash_otel.semconv.formats.langchain import WHOLE_BYTES, read_object

PICTURE = bytes(range(256)) * 16


@pytest.mark.parametrize(
    "block",
    [
        {"type": "image", "base64": base64.b64encode(PICTURE).decode(), "mime_type": "image/png"},
        {"type": "image", "data": PICTURE, "mime_type": "image/png"},
        {
            "type": "image_url",
            "image_url": {"url": f"data:image/png;base64,{base64.b64encode(PICTURE).decode()}"},
        },
    ],
    ids=["base64", "bytes", "data URI"],
)
def test_a_picture(block: dict[str, object]) -> None:
    """However it is given, it has the digest of its bytes, as in a call of OpenAI's client."""
    (part,) = read_object(HumanMessage([block])).parts
    digest, size_bytes = digest_of_bytes(PICTURE)
    assert isinstance(part, Media)
    assert (part.digest, part.size_bytes, part.mime_type) == (digest, size_bytes, "image/png")


def test_a_large_picture() -> None:
    """Reading all of it would take the caller's time: its digest says that it is one of samples."""
    content = base64.b64encode(PICTURE * (WHOLE_BYTES // len(PICTURE))).decode()
    (part,) = read_object(HumanMessage([{"type": "image", "base64": content}])).parts
    assert isinstance(part, Media)
    assert part.digest is not None
    assert part.digest.startswith("sampled-sha256:")
    assert part.size_bytes == len(content) * 3 // 4
