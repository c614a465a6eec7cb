"""The names of the package follow the glossary, and the script that counts them finds seeded mistakes."""

from __future__ import annotations

import ast

import pytest

from tests.naming.count_names import (
    MOST_LINES,
    MOST_STATEMENT_LINES,
    Module,
    check,
    is_verb,
    read_modules,
    read_words,
)

WORDS = read_words()

BAD = '''
"""What is told of a span."""

class Twin: ...

def affiliation_now(): ...

def known_messages(): ...

def read_span():
    log("the span is kept")

class Outer:
    class Twin: ...

    @property
    def size(self): ...

    def __len__(self): ...
'''


def test_the_package_follows_the_rules() -> None:
    """Verbs, no class name twice, no retired word, no long file."""
    found = check(read_modules(), WORDS)
    assert (found.twins, found.retired) == ([], [])
    assert found.is_good, found.nouns


def test_mistakes_are_found() -> None:
    """Each rule notices what breaks it, with its place."""
    found = check([Module("bad.py", ast.parse(BAD))], WORDS)
    assert (found.functions, found.nouns) == (3, ["bad.py:6: affiliation_now", "bad.py:8: known_messages"])
    assert found.twins == ["Twin: bad.py:4, bad.py:14"]
    assert found.retired == [
        "bad.py:2: “told” in: What is told of a span.",
        "bad.py:6: affiliation_now",
        "bad.py:11: “kept” in: the span is kept",
    ]
    assert not found.is_good


def test_a_file_that_is_too_long_is_found() -> None:
    """One line more than the limit is too much."""
    most = Module("most.py", ast.parse(""), MOST_LINES)
    found = check([most, Module("more.py", ast.parse(""), MOST_LINES + 1)], WORDS)
    assert list(found.long) == [f"more.py: {MOST_LINES + 1} lines"]
    assert not found.is_good


@pytest.mark.parametrize("statements", [MOST_STATEMENT_LINES, MOST_STATEMENT_LINES + 1])
def test_a_function_that_is_too_long_is_found(statements: int) -> None:
    """Its docstring and parameters do not count."""
    body = "\n".join(['    """Say', "    why.", '    """', *["    act()"] * statements])
    found = check([Module("a.py", ast.parse(f"def read(\n    a,\n    b,\n):\n{body}"))], WORDS)
    too_long = [f"a.py:1: read has {statements} lines"] if statements > MOST_STATEMENT_LINES else []
    assert list(found.long) == too_long


def test_the_contract_of_the_emulator_has_names_of_greenflash() -> None:
    """Its functions and classes are not ours to name."""
    tree = ast.parse("class Twin: ...\ndef body(): ...")
    found = check([Module("emulator/contract/a.py", tree), Module("b.py", tree)], WORDS)
    assert (found.functions, found.twins) == (1, [])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("read_span", True),
        ("_is_open", True),
        ("request_answer", True),
        ("request", False),
        ("record_of", False),
        ("message", False),
    ],
)
def test_what_a_verb_is(name: str, expected: bool) -> None:
    """A word that is a noun as well needs an object behind it."""
    assert is_verb(name, WORDS) is expected
