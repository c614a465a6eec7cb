"""Counts names of the package against the rules of the glossary; `make lint` runs it.

Five rules. At least `SHARE` of the functions are named by a verb or a predicate. No class name occurs twice,
because search, tracebacks and reviews pay for that. No retired word occurs in a name or in a text. No file has
more than `MOST_LINES` lines. No function has more than `MOST_STATEMENT_LINES` below its docstring: a long list of
documented parameters is not what makes it hard to read. The words are in ``words.json``.

Not counted as functions: properties and context managers, which are read as values, and dunders. What the emulator
copies from Greenflash's contract has Greenflash's names. A name like ``id_of`` counts against us, as does a callback
whose name somebody else chose.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).parents[2] / "src" / "greenflash_otel"
SHARE = 0.85
MOST_LINES = 400
"""Of a source file."""
MOST_STATEMENT_LINES = 40
"""Of a function, without its parameters and docstring."""
CONTRACT = "emulator/contract/"
"""Its names are Greenflash's."""
VALUES = ("property", "contextmanager")
"""Decorators of functions that are read as values."""


class Words(NamedTuple):
    """The word list."""

    verbs: frozenset[str]
    verbs_before_an_object: frozenset[str]
    """Words that are nouns where they stand alone: ``request`` is one, ``request_answer`` says what is done."""
    predicates: frozenset[str]
    nouns: frozenset[str]
    """Names that begin with a verb's word and are nouns all the same."""
    retired: frozenset[str]
    retired_in_names: frozenset[str]
    """Words that only names must not have: in a sentence they may be plain English."""
    allowed_names: Mapping[str, str]
    """Names that keep a retired word, each with the reason."""
    allowed_texts: Sequence[str]


class Module(NamedTuple):
    """A source file of the package."""

    path: str
    tree: ast.Module
    line_count: int = 0


class Report(NamedTuple):
    """What was found."""

    functions: int
    nouns: Sequence[str]
    """Functions that are neither verbs nor predicates, each with its place."""
    twins: Sequence[str]
    retired: Sequence[str]
    long: Sequence[str] = ()
    """Files and functions that are too long."""

    @property
    def share(self) -> float:
        """The share of functions that are named by a verb or a predicate."""
        return 1 - len(self.nouns) / self.functions if self.functions else 1.0

    @property
    def is_good(self) -> bool:
        """Whether every rule is met."""
        return self.share >= SHARE and not self.twins and not self.retired and not self.long


def read_words() -> Words:
    """Read the word list."""
    found = json.loads(Path(__file__).with_name("words.json").read_text(encoding="utf-8"))
    names, texts = found.pop("allowed_names"), found.pop("allowed_texts")
    sets = {name: frozenset(words) for name, words in found.items()}
    return Words(**sets, allowed_names=names, allowed_texts=texts)


def read_modules(package: Path = PACKAGE) -> list[Module]:
    """Parse every source file below a folder."""
    paths = sorted(package.rglob("*.py"))
    texts = [path.read_text(encoding="utf-8") for path in paths]
    return [
        Module(path.relative_to(package).as_posix(), ast.parse(text), text.count("\n"))
        for path, text in zip(paths, texts, strict=True)
    ]


def check(modules: Sequence[Module], words: Words) -> Report:
    """Compare names and texts with the rules."""
    functions = [found for module in modules for found in _list_functions(module)]
    nouns = [f"{place}: {name}" for place, name in functions if not is_verb(name, words)]
    twins, retired = list(_find_twins(modules)), list(_find_retired(modules, words))
    files = [f"{file.path}: {file.line_count} lines" for file in modules if file.line_count > MOST_LINES]
    long = [found for module in modules for found in _find_long_functions(module)]
    return Report(len(functions), nouns, twins, retired, [*files, *long])


def is_verb(name: str, words: Words) -> bool:
    """Decide whether the name of a function is a verb or a predicate."""
    first, *rest = name.strip("_").split("_")
    if name in words.nouns or rest[:1] == ["of"]:
        return False
    return (
        first in words.verbs
        or first in words.predicates
        or (bool(rest) and first in words.verbs_before_an_object)
    )


def _list_functions(module: Module) -> Iterator[tuple[str, str]]:
    if module.path.startswith(CONTRACT):
        return
    for node in ast.walk(module.tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            is_value = any(value in ast.unparse(mark) for mark in node.decorator_list for value in VALUES)
            if not is_value and not node.name.startswith("__"):
                yield f"{module.path}:{node.lineno}", node.name


def _find_long_functions(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            statements = node.body[1:] if ast.get_docstring(node) is not None else node.body
            first, last = (statements or node.body)[0].lineno, node.end_lineno or 0
            if (lines := last - first + 1) > MOST_STATEMENT_LINES:
                yield f"{module.path}:{node.lineno}: {node.name} has {lines} lines"


def _find_twins(modules: Sequence[Module]) -> Iterator[str]:
    places = defaultdict[str, list[str]](list)
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef) and not module.path.startswith(CONTRACT):
                places[node.name].append(f"{module.path}:{node.lineno}")
    return (f"{name}: {', '.join(found)}" for name, found in sorted(places.items()) if len(found) > 1)


def _find_retired(modules: Sequence[Module], words: Words) -> Iterator[str]:
    for module in modules:
        found = [*_find_in_names(module, words), *_find_in_texts(module, words)]
        yield from (f"{module.path}:{line}: {what}" for line, what in sorted(set(found)))


def _find_in_names(module: Module, words: Words) -> Iterator[tuple[int, str]]:
    for node in ast.walk(module.tree):
        for field in ("name", "id", "attr", "arg"):
            name = getattr(node, field, None)
            if isinstance(name, str) and name not in words.allowed_names:
                parts = {part.lower() for part in re.findall("[A-Z]*[a-z]+", name)}
                if parts & (words.retired | words.retired_in_names):
                    yield getattr(node, "lineno", 0), name


def _find_in_texts(module: Module, words: Words) -> Iterator[tuple[int, str]]:
    """Look into docstrings, log lines and texts of the command line: all text that has a space in it."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            quoted = "|".join(["`[^`]*`", *map(re.escape, words.allowed_texts)])
            for place, line in enumerate(re.sub(quoted, _blank, node.value).split("\n")):
                for word in re.findall("[A-Za-z]+", line):
                    if word.lower() in words.retired:
                        yield node.lineno + place, f"“{word}” in: {line.strip()}"


def _blank(code: re.Match[str]) -> str:
    """Leave out quoted code but the ends of its lines, so that lines stay what they are."""
    return "\n" * code.group().count("\n")


def main() -> int:
    """Print what breaks a rule, and the share; 1 if anything does."""
    found = check(read_modules(), read_words())
    for twin in found.twins:
        print(f"class name twice: {twin}")
    for long in found.long:
        print(f"too long: {long}")
    for retired in found.retired:
        print(f"retired word: {retired}")
    if found.share < SHARE or "--nouns" in sys.argv:
        print("\n".join(f"neither verb nor predicate: {noun}" for noun in found.nouns))
    print(
        f"names: {found.share:.1%} of {found.functions} functions are verbs or predicates ({SHARE:.0%} needed)"
    )
    return 0 if found.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
