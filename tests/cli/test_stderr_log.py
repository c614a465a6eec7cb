"""What commands log, and where."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from greenflash_otel.cli.stderr_log import log_to_stderr

Capture = pytest.CaptureFixture[str]
OURS = logging.getLogger("greenflash_otel")
ROOT = logging.getLogger()


@contextmanager
def unconfigured() -> Iterator[None]:
    """Logging as it is in a program of its own: pytest has handlers at the root."""
    handlers, ROOT.handlers = ROOT.handlers, []
    try:
        yield
        assert OURS.level == logging.NOTSET
    finally:
        ROOT.handlers = handlers


def test_a_command_says_warnings(capsys: Capture) -> None:
    """One line each, of every library, and nothing below."""
    with unconfigured():
        with log_to_stderr(is_server=False):
            OURS.warning("the key is refused")
            OURS.info("records openai")
            logging.getLogger("uvicorn.error").error("port is in use")
        assert ROOT.handlers == []
    assert capsys.readouterr().err == "WARNING: the key is refused\nERROR: port is in use\n"


def test_a_server_says_when_and_what_it_serves(capsys: Capture) -> None:
    """Its log is read later."""
    with unconfigured(), log_to_stderr(is_server=True):
        OURS.info("takes OTLP/HTTP at http://127.0.0.1:4318/v1/traces")
        logging.getLogger("uvicorn.error").info("started")
    [line] = capsys.readouterr().err.splitlines()
    assert line[:4].isdigit()
    assert line.endswith(" INFO greenflash_otel: takes OTLP/HTTP at http://127.0.0.1:4318/v1/traces")


def test_who_has_configured_logging_keeps_it(capsys: Capture) -> None:
    """Nothing is said twice."""
    with unconfigured():
        ROOT.addHandler(handler := logging.StreamHandler(sys.stderr))
        with log_to_stderr(is_server=True):
            OURS.warning("once")
            assert ROOT.handlers == [handler]
    assert capsys.readouterr().err == "once\n"
