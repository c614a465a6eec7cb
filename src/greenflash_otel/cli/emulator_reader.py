"""Read an emulator: find its address, ask it for JSON, and wait until something arrives."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final
from urllib.parse import quote, urlsplit

import httpx

from greenflash_otel.cli.argument_types import read_url
from greenflash_otel.cli.command_failure import CommandFailure
from greenflash_otel.greenflash_api.stand_in import HEADER
from greenflash_otel.set_up_report import remove_password
from greenflash_otel.settings import DEFAULT_BASE_URL, SETTINGS
from greenflash_otel.visible_text import escape_controls

DEFAULT_URL: Final = "http://127.0.0.1:8765"
TIMEOUT_S: Final = 10.0
SILENCE_S: Final = 40.0
"""After which a stream counts as broken: the emulator sends a sign of life every 15 s."""
_LOCAL: Final = ("localhost", "127.", "::1", "host.docker.internal")
START: Final = "Start one with 'greenflash-otel emulator', or name its address with --url."


class EmulatorGone(CommandFailure):
    """The emulator does not answer any more."""


class EmulatorReader:
    """Asks one emulator."""

    def __init__(self, url: str, api_key: str | None) -> None:
        self.url = url
        is_local = (urlsplit(url).hostname or "").startswith(_LOCAL)
        self._client = httpx.Client(
            timeout=TIMEOUT_S,
            trust_env=not is_local,  # a proxy does not reach this machine
            follow_redirects=False,
            headers={"authorization": f"Bearer {api_key}"} if api_key else {},
        )

    def read(self, path: str, id: str | None = None, **query: str | int | None) -> Mapping[str, Any]:
        """Return the JSON at a path, whose last part may be an id.

        Raises:
            EmulatorGone: Nobody answers.
            CommandFailure: The answer is a refusal; a 404 has exit code 1.
        """
        params = {name: value for name, value in query.items() if value is not None}
        address = f"{self.url}/emulator/{path}" + ("" if id is None else f"/{quote(id, safe='')}")
        with self._expect_loss():
            return self._check(self._client.get(address, params=params))

    @contextmanager
    def listen(self) -> Iterator[Iterator[str]]:
        """Yield the names of the events that the emulator streams. Raises as `read` does."""
        timeout = httpx.Timeout(TIMEOUT_S, read=SILENCE_S)
        with (
            self._expect_loss(),
            self._client.stream("GET", f"{self.url}/live", timeout=timeout) as answer,
        ):
            if answer.status_code != 200:
                answer.read()
                self._check(answer)
            lines = answer.iter_lines()
            yield (line.removeprefix("event: ") for line in lines if line.startswith("event: "))

    def is_emulator(self) -> bool:
        """Return whether an emulator answers. Raises EmulatorGone if nobody does."""
        with self._expect_loss():
            return HEADER in self._client.get(f"{self.url}/emulator/health").headers

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def __enter__(self) -> EmulatorReader:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    @contextmanager
    def _expect_loss(self) -> Iterator[None]:
        try:
            yield
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError):
            raise EmulatorGone(f"No emulator answers at {name_address(self.url)}. {START}") from None

    def _check(self, answer: httpx.Response) -> Mapping[str, Any]:
        try:
            body = answer.json()
        except ValueError:
            body = None
        if not isinstance(body, dict) or HEADER not in answer.headers:
            raise EmulatorGone(f"What answers at {name_address(self.url)} is no emulator. {START}")
        if answer.status_code < 400:
            return body
        message = str(body.get("message", ""))
        if answer.status_code == 401:
            raise CommandFailure(
                f"The emulator at {name_address(self.url)} asks for its key: write --api-key-file, or set "
                "GREENFLASH_API_KEY."
            )
        if message.startswith("No route"):
            raise CommandFailure(
                f"The emulator at {name_address(self.url)} is of another version of greenflash-otel: start it anew."
            )
        nearest = body.get("nearest")
        raise CommandFailure(
            message, hint=f"nearest: {nearest}" if nearest else "", code=1 if answer.status_code == 404 else 2
        )


def find_emulator(arguments: argparse.Namespace) -> EmulatorReader:
    """Return a reader of the emulator that ``--url``, the settings or the default name.

    Raises:
        CommandFailure: There is none.
    """
    if arguments.url:
        return _connect(arguments.url)
    variable, text = _find_setting()
    named = _read_setting(text)
    if named is not None:
        with suppress(CommandFailure):
            return _connect(named)
    try:
        reader = _connect(DEFAULT_URL)
    except CommandFailure as failure:
        if not text:
            raise
        raise CommandFailure(
            f"{failure} This command reads an emulator, and {variable} names none."
        ) from None
    if text:
        print(f"{variable} names no emulator, so this reads {DEFAULT_URL}.", file=sys.stderr)
    return reader


def name_address(url: str) -> str:
    """Return an address as it may be shown."""
    return escape_controls(remove_password(url))


def _find_setting() -> tuple[str, str]:
    """Return the variable that names the API, and its value."""
    for variable in SETTINGS["base_url"].variables:
        if text := os.environ.get(variable, "").strip():
            return variable, text
    return "", ""


def _read_setting(text: str) -> str | None:
    """Return the address of the emulator that a setting may name; None if it names Greenflash, or nothing."""
    if text.rstrip("/") in ("", DEFAULT_BASE_URL):
        return None
    try:
        return read_url(text)
    except argparse.ArgumentTypeError:
        return None


def _connect(url: str) -> EmulatorReader:
    if not _is_emulator(url):
        raise CommandFailure(f"What answers at {name_address(url)} is no emulator. {START}")
    return EmulatorReader(url, os.environ.get(SETTINGS["api_key"].variables[0], "").strip() or None)


def _is_emulator(url: str) -> bool:
    """Ask without the key, which only an emulator shall see."""
    with EmulatorReader(url, None) as reader:
        return reader.is_emulator()
