"""Attributes that spell a structure out in their names: ``llm.input_messages.0.message.role``. Pure.

Numbers in names are places in a list; a list can have holes, where the limit on attributes took some away.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from greenflash_otel.model.telemetry import Attributes, AttributeValue

Tree: TypeAlias = "dict[str, Tree | AttributeValue]"


def build_tree(attributes: Attributes, prefix: str) -> Tree:
    """Return what the attributes whose names begin with ``prefix`` and a dot spell out."""
    tree: Tree = {}
    start = prefix + "."
    for name, value in attributes.items():
        if not name.startswith(start):
            continue
        *path, last = name[len(start) :].split(".")
        node = tree
        for step in path:
            below = node.setdefault(step, {})
            if not isinstance(below, dict):  # a name that is a value and a branch
                break
            node = below
        else:
            node.setdefault(last, value)
    return tree


def find_branch(tree: object, *path: str) -> Tree:
    """Return the part of a tree at the end of a path; empty if there is none."""
    for step in path:
        tree = tree.get(step) if isinstance(tree, dict) else None
    return tree if isinstance(tree, dict) else {}


def list_items(tree: object) -> list[Tree]:
    """Return what a list contains, in order; holes are passed over."""
    return [item for _, item in enumerate_items(tree)]


def enumerate_items(tree: object) -> list[tuple[int, Tree]]:
    """Return what a list contains, in order, each with its place."""
    if not isinstance(tree, Mapping):
        return []
    places = sorted(int(name) for name in tree if name.isdecimal() and name.isascii())
    return [(place, below) for place in places if isinstance(below := tree.get(str(place)), dict)]


def find_text(tree: object, *path: str) -> str | None:
    """Return the text at the end of a path; None if there is none."""
    *before, last = path
    value = find_branch(tree, *before).get(last)
    return value if isinstance(value, str) and value else None
