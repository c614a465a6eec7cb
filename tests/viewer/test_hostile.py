"""Strings that would do harm, in every field that can carry text: they are shown, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest

from greenflash_otel.emulator import Emulator
from tests.viewer.stories import PRODUCT, say, send

STRINGS = (
    "<script>alert(1)</script>",
    "</textarea></title></style></script><img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    "[x](javascript:alert(1)) ![p](http://evil.example/p.png) <http://evil.example>",
    "{{ 7 * 7 }}{% raw %}${7*7}<%= 7 %>",
    "\u202egnp.exe\u2066 \x1b[31m \ufeff",
    "a" * 6_000,
    "]]><!--<script>",
    "\u0130\u0131 \U0001f9d1\u200d\U0001f680 e\u0301",
    "javascript:alert(1)//",
)
ALLOWED = {
    "href": re.compile(r"(/|\?|#)(?!/)|^$|http://evil\.example$|https?://"),
    "src": re.compile(r"/static/"),
    "action": re.compile(r"/"),
}


class Reader(HTMLParser):
    """Collects what a browser would act on."""

    def __init__(self) -> None:
        super().__init__()
        self.harm: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("img", "iframe", "object", "embed", "base", "style", "video", "audio", "textarea"):
            self.harm.append(f"<{tag}>")
        for name, value in attrs:
            if name.startswith("on") or name in ("style", "srcdoc", "formaction"):
                self.harm.append(f"{tag} {name}={value}")
            if name in ALLOWED and not ALLOWED[name].match(value or ""):
                self.harm.append(f"{tag} {name}={value}")
            if tag == "script" and name == "src" and not (value or "").startswith("/static/"):
                self.harm.append(f"script {value}")
        if tag == "script" and "src" not in dict(attrs):
            self.harm.append("a script in the page")

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def bodies(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Requests with the text in every field that takes any."""
    items = [
        {
            "externalMessageId": text,
            "messageType": "user_message",
            "content": text,
            "context": text,
            "model": text,
        },
        {
            "externalMessageId": text + "2",
            "parentExternalMessageId": text,
            "messageType": "final_response",
            "content": text,
        },
        {"messageType": "tool_call", "toolName": text, "input": {text: text}, "output": {text: [text]}},
        {
            "messageType": "tool_error",
            "output": {"result": text},
            "properties": {text: text, "ending": "failed", "error": {"type": text, "message": text}},
        },
        {"messageType": "system_message", "content": text, "parentExternalMessageId": text + " gone"},
    ]
    yield (
        "/messages",
        {
            "externalUserId": text,
            "externalConversationId": text,
            "externalOrganizationId": text,
            "productId": PRODUCT,
            "model": text,
            "properties": {text: {text: text}},
            "systemPrompt": {"components": [{"content": text, "name": text}], "variables": {text: text}},
            "messages": items,
        },
    )
    yield (
        "/events",
        {
            "eventType": text,
            "value": text,
            "productId": PRODUCT,
            "externalConversationId": text,
            "externalUserId": text,
            "insertId": text,
            "properties": {text: text},
        },
    )
    yield (
        "/events",
        {"eventType": text, "value": text, "productId": PRODUCT, "externalConversationId": text + " gone"},
    )
    yield (
        "/ratings",
        {
            "rating": 1,
            "ratingMin": 0,
            "ratingMax": 1,
            "productId": PRODUCT,
            "externalMessageId": text + "2",
            "feedback": text,
        },
    )
    yield (
        "/ratings",
        {
            "rating": 1,
            "ratingMin": 0,
            "ratingMax": 1,
            "productId": PRODUCT,
            "externalMessageId": text + " gone",
            "feedback": text,
        },
    )
    yield "/users", {"externalUserId": text, "name": text, "phone": text, "properties": {text: text}}
    yield "/organizations", {"externalOrganizationId": text, "name": text, "properties": {text: text}}


@pytest.fixture(scope="module")
def hostile() -> Iterator[Emulator]:
    """An emulator that was sent all of it, also as bodies, paths and headers that are refused."""
    with Emulator() as emulator:
        for text in STRINGS:
            for path, body in bodies(text):
                answer = send(emulator.url, path, body)
                assert answer.status_code == 201, answer.text
            send(emulator.url, "/messages", {text: text})
            send(emulator.url, "/messages", text.encode("utf-8"))
            encoded = "".join(f"%{byte:02X}" for byte in text[:300].encode())
            httpx.post(
                f"{emulator.url}/{encoded}",
                headers=[(b"user-agent", text[:300].encode())] if text.isprintable() else [],
            )
        send(emulator.url, "/messages", b"\x00\xff\xfe<script>" + json.dumps("\ud800").encode())
        yield emulator


def addresses(emulator: Emulator) -> Iterator[str]:
    """Every page that a reader can reach."""
    seen: set[str] = set()
    waiting = ["/", "/outcomes", "/requests", "/users", "/organizations", "/unlinked"]
    with httpx.Client(base_url=emulator.url, headers={"accept": "text/html"}) as client:
        while waiting:
            address = waiting.pop()
            if address in seen:
                continue
            seen.add(address)
            yield address
            found = re.findall(r'href="([/?][^"#]*)', client.get(address).text)
            for each in found:
                link = (
                    each.replace("&amp;", "&")
                    if each.startswith("/")
                    else address.partition("?")[0] + each.replace("&amp;", "&")
                )
                if not link.startswith(("/static", "/find")) and "/body" not in link:
                    waiting.append(link)


def test_no_page_acts_on_what_was_sent(hostile: Emulator) -> None:
    """Nor shows a character that turns or hides text, nor fails."""
    count = 0
    with httpx.Client(base_url=hostile.url, headers={"accept": "text/html"}, timeout=30) as client:
        for address in addresses(hostile):
            answer = client.get(address)
            assert answer.status_code == 200, (address, answer.text[:300])
            count += 1
            if not answer.headers["content-type"].startswith("text/html"):
                assert answer.headers["content-type"].startswith(("text/plain", "application/json"))
                continue
            reader = Reader()
            reader.feed(answer.text)
            assert reader.harm == [], address
            assert not re.search("[\u202a-\u202e\u2066-\u2069\x1b\x00]", answer.text), address
    assert count > 100


def test_what_is_shown_is_what_was_sent(hostile: Emulator) -> None:
    """As text: a script is read, not run; a picture is an address, not fetched."""
    id = hostile.conversation(STRINGS[4]).id
    reader = Reader()
    reader.feed(httpx.get(f"{hostile.url}/c/{id}").text)
    text = "".join(reader.text)
    assert "[x](javascript:alert(1))" in text
    assert "[picture: http://evil.example/p.png]" in text
    script = Reader()
    script.feed(httpx.get(f"{hostile.url}/c/{hostile.conversation(STRINGS[0]).id}").text)
    assert STRINGS[0] in "".join(script.text)


def test_a_long_text_is_cut_and_whole_on_its_own_page(emulator: Emulator) -> None:
    id = say(emulator.url, "long", {"role": "user", "content": "a" * 6_000})
    page = httpx.get(f"{emulator.url}/c/{id}").text
    assert "a" * 4_001 not in page
    [address] = re.findall(r'href="([^"]+)">show all 6.0 KB', page)
    assert "a" * 6_000 in httpx.get(emulator.url + address).text
