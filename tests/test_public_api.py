"""What users may import, and what importing costs."""

from __future__ import annotations

import ast
import inspect
import pickle
import pkgutil
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

import greenflash_otel

HEAVY = ("httpx", "httpx2", "opentelemetry", "pydantic", "starlette", "sqlite3", "asyncio")
"""What the command line must not import to print its help."""


def run_python(code: str) -> str:
    """Run a program in a process of its own; return what it printed."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True, timeout=60
    ).stdout


def test_all_lists_exactly_the_public_names() -> None:
    """Whatever is neither private nor a submodule is in ``__all__``."""
    assert callable(greenflash_otel.instrument)  # the first use imports all of them
    found = {
        name
        for name, value in vars(greenflash_otel).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert found == set(greenflash_otel.__all__)


def test_type_checkers_and_the_running_program_import_the_same_names() -> None:
    """The imports below ``TYPE_CHECKING`` and the table of homes say the same."""
    tree = ast.parse(Path(greenflash_otel.__file__).read_text(encoding="utf-8"))
    imports = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("greenflash_otel.")
    ]
    seen = {str(node.module).partition(".")[2]: {alias.name for alias in node.names} for node in imports}
    assert {home: set(names.split()) for home, names in greenflash_otel._HOMES.items()} == seen
    assert sorted(set().union(*seen.values())) == sorted(greenflash_otel.__all__)


def test_no_public_name_is_that_of_a_submodule() -> None:
    """Importing such a submodule would put the module in the place of the function."""
    assert {each.name for each in pkgutil.iter_modules(greenflash_otel.__path__)}.isdisjoint(
        greenflash_otel.__all__
    )


def test_importing_the_package_imports_nothing_of_it_until_a_name_is_used() -> None:
    """Then it imports all, so that no later call in a request has to."""
    printed = run_python(
        "import sys, greenflash_otel as greenflash\n"
        "ours = lambda: sorted(name for name in sys.modules if name.startswith('greenflash_otel.'))\n"
        "print(ours())\n"
        "print(set(greenflash.__all__) <= set(dir(greenflash)), 'conversation' in vars(greenflash))\n"
        "greenflash.conversation\n"
        "before = ours()\n"
        "[getattr(greenflash, name) for name in greenflash.__all__]\n"
        "print(ours() == before, set(greenflash.__all__) <= set(vars(greenflash)))\n"
    )
    assert printed == "[]\nTrue False\nTrue True\n"


def test_an_unknown_name_is_an_attribute_error_that_imports_nothing() -> None:
    """As of any module; ``hasattr`` of a tool that looks around costs nothing."""
    printed = run_python(
        "import sys, greenflash_otel\n"
        "print(hasattr(greenflash_otel, 'recod_outcome'), 'greenflash_otel.runtime' in sys.modules)\n"
        "try: greenflash_otel.recod_outcome\n"
        "except AttributeError as error: print(error)\n"
    )
    assert printed == "False False\nmodule 'greenflash_otel' has no attribute 'recod_outcome'\n"


def test_a_star_import_brings_the_public_names() -> None:
    """And no other."""
    printed = run_python(
        "before = {*globals(), 'before'}\n"
        "from greenflash_otel import *\n"
        "import greenflash_otel\n"
        "print(sorted(set(globals()) - before - {'greenflash_otel'}) == sorted(greenflash_otel.__all__))\n"
    )
    assert printed == "True\n"


def test_a_submodule_is_imported_by_its_name_from_the_package() -> None:
    """Before and after a public name is used."""
    printed = run_python(
        "from greenflash_otel import langchain, conversation_handle\n"
        "from greenflash_otel import conversation, Conversation\n"
        "from greenflash_otel import record_steps, step\n"
        "print(conversation_handle.__name__, conversation.__module__, record_steps.step is step)\n"
    )
    assert printed == "greenflash_otel.conversation_handle greenflash_otel.context True\n"


@pytest.mark.parametrize("touch", ["", "greenflash_otel.flush"])
def test_a_patched_name_is_patched_and_comes_back(touch: str) -> None:
    """Whether the names were imported before the patch or not."""
    printed = run_python(
        "import greenflash_otel\n"
        "from unittest import mock\n"
        f"{touch}\n"
        "with mock.patch('greenflash_otel.record_outcome') as fake:\n"
        "    from greenflash_otel import flush, record_outcome\n"
        "    print(record_outcome is fake, greenflash_otel.record_outcome is fake)\n"
        "from greenflash_otel.record import record_outcome\n"
        "print(greenflash_otel.record_outcome is record_outcome)\n"
    )
    assert printed == "True True\nTrue\n"


def test_a_name_that_was_set_before_any_was_used_stays_set() -> None:
    """Importing the others does not undo it."""
    printed = run_python(
        "import greenflash_otel\n"
        "greenflash_otel.flush = 'mine'\n"
        "greenflash_otel.stats\n"
        "print(greenflash_otel.flush)\n"
    )
    assert printed == "mine\n"


def test_public_names_can_be_patched_by_their_path() -> None:
    """In this process, as the tests of an application do it."""
    real = greenflash_otel.identify_user
    with mock.patch("greenflash_otel.identify_user") as fake:
        greenflash_otel.identify_user("ada")
    fake.assert_called_once_with("ada")
    assert greenflash_otel.identify_user is real


@pytest.mark.parametrize("name", ["Rating", "Outcome", "record_outcome", "ConfigurationError"])
def test_public_names_can_be_pickled(name: str) -> None:
    """By a name that another process finds."""
    public = getattr(greenflash_otel, name)
    assert pickle.loads(pickle.dumps(public)) is public  # noqa: S301
    printed = run_python(f"import pickle; print(pickle.loads({pickle.dumps(public)!r}).__name__)")
    assert printed == f"{name}\n"


def test_threads_that_use_a_name_first_at_the_same_time_all_get_it() -> None:
    """The import lock makes them wait for each other."""
    printed = run_python(
        "import greenflash_otel, threading\n"
        "found, together = [], threading.Barrier(8)\n"
        "def use(name):\n"
        "    together.wait()\n"
        "    found.append(getattr(greenflash_otel, name))\n"
        "names = greenflash_otel.__all__[-8:]\n"
        "threads = [threading.Thread(target=use, args=(name,)) for name in names]\n"
        "[each.start() for each in threads]; [each.join() for each in threads]\n"
        "print(len(found), set(found) == {getattr(greenflash_otel, name) for name in names})\n"
    )
    assert printed == "8 True\n"


@pytest.mark.parametrize(
    "arguments",
    [["--version"], ["--help"], [], ["outbox"], ["show", "--help"], ["completion", "bash"], ["outbux"]],
    ids=" ".join,
)
def test_the_command_line_imports_nothing_heavy_to_say_how_it_is_used(arguments: list[str]) -> None:
    """Neither the HTTP client nor OpenTelemetry, nor anything else that takes long."""
    printed = run_python(
        "import sys\n"
        "from greenflash_otel.cli import main\n"
        f"try: main({arguments!r})\n"
        "except SystemExit: pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    assert printed.splitlines()[-1] == "[]"


def test_every_public_name_is_documented() -> None:
    """A docstring says what it is for."""
    assert [
        name for name in greenflash_otel.__all__ if not inspect.getdoc(getattr(greenflash_otel, name))
    ] == []


def test_importing_and_instrumenting_import_no_framework_and_no_server() -> None:
    """A process that uses none of them does not pay for them."""
    printed = run_python(
        "import sys, greenflash_otel;"
        "greenflash_otel.instrument(product_id='6a1d4b7e-9c51-4a57-8e9b-0f6f2f6f2a10', outbox=':memory:');"
        "print([name for name in ('openai', 'langchain_core', 'pydantic', 'starlette', 'uvicorn', 'httpx2')"
        " if name in sys.modules])"
    )
    assert printed == "[]\n"
