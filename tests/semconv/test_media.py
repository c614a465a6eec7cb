"""Media in all the shapes that producers give them; what is inline is never kept."""

from __future__ import annotations

import pytest

from greenflash_otel.model.operation import Json, Media, Other
from greenflash_otel.semconv.formats.any_message import read_messages
from greenflash_otel.semconv.formats.openai import read_content

A = "sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
"""Digest of an "a", in base64 ``YQ==``."""


def inline(modality: str, mime_type: str | None = None) -> Media:
    """An "a" as a medium."""
    return Media(modality, mime_type=mime_type, digest=A, size_bytes=1)


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"type": "image_url", "image_url": {"url": "https://x/y"}}, Media("image", uri="https://x/y")),
        ({"type": "image_url", "image_url": "data:image/png;base64,YQ=="}, inline("image", "image/png")),
        ({"type": "input_image", "image_url": "https://x/y"}, Media("image", uri="https://x/y")),
        ({"type": "input_image", "file_id": "f"}, Media("image", file_id="f")),
        (
            {"type": "input_audio", "input_audio": {"data": "YQ==", "format": "wav"}},
            inline("audio", "audio/wav"),
        ),
        ({"type": "file", "file": {"file_id": "f"}}, Media("document", file_id="f")),
        (
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,YQ=="}},
            inline("document", "application/pdf"),
        ),
        ({"type": "input_file", "file_url": "https://x/y.pdf"}, Media("document", uri="https://x/y.pdf")),
        ({"type": "image", "base64": "YQ==", "mime_type": "image/png"}, inline("image", "image/png")),
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "YQ=="}},
            inline("image", "image/png"),
        ),
        ({"type": "file", "data": "YQ==", "mediaType": "audio/mp3"}, inline("audio", "audio/mp3")),
        (
            {"kind": "binary", "binary_content": "YQ==", "media_type": "image/png"},
            inline("image", "image/png"),
        ),
        (
            {
                "type": "image_url",
                "image_url": {"url": "mlflow-attachment://1?content_type=image%2Fpng&size=7"},
            },
            Media("image", mime_type="image/png", size_bytes=7),
        ),
        (
            {"type": "image_url", "image_url": {"url": "@@@langfuseMedia:type=image/png|id=1@@@"}},
            Media("image", uri="@@@langfuseMedia:type=image/png|id=1@@@"),
        ),
    ],
)
def test_content(part: Json, expected: Media) -> None:
    """Parts of OpenAI, Anthropic, LangChain and the AI SDK."""
    assert list(read_content([part])) == [expected]


def test_words() -> None:
    """What a document says in words is kept."""
    words: Json = {"type": "text", "media_type": "text/plain", "data": "Hi"}
    assert list(read_content([{"type": "document", "source": words}])) == [
        Other("document", {"source": words})
    ]
    assert list(read_content([{"type": "document", "content": "Hi"}])) == [
        Other("document", {"content": "Hi"})
    ]


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (
            {"type": "uri", "uri": "data:image/png;base64,YQ==", "modality": "image"},
            inline("image", "image/png"),
        ),
        ({"type": "file", "file": {"file_id": "f"}}, Media("document", file_id="f")),
        ({"type": "file", "file_id": "f", "modality": "image"}, Media("image", file_id="f")),
    ],
)
def test_among_parts_of_the_convention(part: Json, expected: Media) -> None:
    """Logfire's, and the convention's own."""
    (message,) = read_messages([{"role": "user", "parts": [part]}], default_role="user")
    assert message.parts == (expected,)
