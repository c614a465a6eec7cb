"""A wrapper that cannot be put on costs its own target only, and never the application."""

from __future__ import annotations

import subprocess
import sys
import types
from typing import Any

import pytest

from greenflash_otel import internal_errors
from greenflash_otel.instrumentation.openai.websocket.patching import ConnectionSurface
from greenflash_otel.instrumentation.openai.websocket.responses import ResponsesSession
from greenflash_otel.instrumentation.patching import Method, Target


class Sealed(type):
    """A class whose method ``close`` nobody can replace, as one made in C."""

    def __setattr__(cls, name: str, value: object) -> None:
        if name == "close":
            raise TypeError(f"cannot set attribute {name!r} of immutable type")
        super().__setattr__(name, value)


def passed_through(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    return wrapped(*args, **kwargs)


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A module of an SDK that has one connection, with methods that can be wrapped and one that cannot."""

    class ResponsesConnection(metaclass=Sealed):
        def parse_event(self, data: str) -> str:
            return data

        def send(self, event: str) -> str:
            return event

        def recv_bytes(self) -> bytes:
            return b""

        def close(self) -> None: ...

    internal_errors.reset_for_tests()
    made = types.ModuleType("openai.resources.sealed")
    made.ResponsesConnection = ResponsesConnection  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, made.__name__, made)
    return made


def test_a_target_is_wrapped_whole_or_not_at_all(
    module: types.ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    before = dict(module.ResponsesConnection.__dict__)
    nothing = frozenset[str]()
    target = Target(
        "openai",
        "connections",
        module.__name__,
        (
            Method("ResponsesConnection", "send", passed_through, nothing),
            Method("ResponsesConnection", "close", passed_through, nothing),
        ),
    )
    target.install()
    target.install()
    assert dict(module.ResponsesConnection.__dict__) == before
    target.remove()
    assert dict(module.ResponsesConnection.__dict__) == before
    assert internal_errors.get_internal_errors() == {"wrap connections of openai": 2}
    (record,) = caplog.records
    assert record.getMessage().startswith("could not wrap connections of openai (TypeError)")


def test_a_kind_of_connection_is_wrapped_whole_or_not_at_all(
    module: types.ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    before = dict(module.ResponsesConnection.__dict__)
    surface = ConnectionSurface("sealed connections", "resources.sealed", "Responses", ResponsesSession)
    surface.install()
    surface.install()
    assert dict(module.ResponsesConnection.__dict__) == before
    surface.remove()
    assert internal_errors.get_internal_errors() == {"wrap sealed connections": 2}
    (record,) = caplog.records
    assert record.getMessage().startswith("could not wrap sealed connections (TypeError)")


ONE_IS_BROKEN = """
import sys
import openai  # wrapped at once, not when it is imported

class Broken:
    def find_spec(self, name, path=None, target=None):
        if name == "greenflash_otel.instrumentation.{broken}":
            raise TypeError("type 'FunctionWrapper' is not subscriptable")
sys.meta_path.insert(0, Broken())

import greenflash_otel as greenflash
greenflash.instrument(export="none")
errors = sys.modules['greenflash_otel.internal_errors'].get_internal_errors()
print(openai.resources.chat.Completions.__name__, *errors)
"""


@pytest.mark.parametrize(
    ("broken", "step"),
    [
        ("openai", "instrument openai"),
        ("langchain", "prepare for LangChain handlers that the application passes"),
    ],
)
def test_an_instrumentation_that_cannot_be_imported_stops_nobody(broken: str, step: str) -> None:
    arguments = [sys.executable, "-c", ONE_IS_BROKEN.format(broken=broken)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert step in done.stdout
    assert f"could not instrument {broken} (TypeError)" in done.stderr


OLD_WRAPT = """
import importlib, pkgutil
import wrapt

def seal(found):
    class Old(found):
        def __class_getitem__(cls, item):
            raise TypeError(f"type {cls.__name__!r} is not subscriptable")
    return Old

for name in ("FunctionWrapper", "BoundFunctionWrapper", "ObjectProxy", "CallableObjectProxy"):
    setattr(wrapt, name, seal(getattr(wrapt, name)))

import greenflash_otel.instrumentation as package
names = [found.name for found in pkgutil.walk_packages(package.__path__, package.__name__ + ".")]
for name in names:
    importlib.import_module(name)
print(len(names))
"""


def test_no_class_of_wrapt_is_subscripted_at_run_time() -> None:
    """Before wrapt 2.2 its classes are generic for type checkers only."""
    done = subprocess.run([sys.executable, "-c", OLD_WRAPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 40
