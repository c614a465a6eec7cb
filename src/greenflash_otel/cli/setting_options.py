"""Settings as options of a command: each wins over its environment variable while the command runs."""

from __future__ import annotations

import argparse
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from greenflash_otel.errors import ConfigurationError
from greenflash_otel.settings import SECRETS, SETTINGS

NO_OPTIONS = (
    "frameworks",
    "handle_sigterm",
    "export",
    "strict",
    "langchain_chains",
    "baggage",
    "propagate_threads",
    "propagate_tasks",
)
"""Settings of an application, that no command reads."""


def add_settings(parser: argparse.ArgumentParser, names: Collection[str] | None = None) -> None:
    """Add options for settings, all that commands read if none are named."""
    group = parser.add_argument_group("settings", "Each wins over its environment variable.")
    for name in names or [name for name in SETTINGS if name not in NO_OPTIONS]:
        variable = SETTINGS[name].variables[0]
        if name in SECRETS:  # no argument, which everybody on the machine can read: a file has them
            option = f"--{name.replace('_', '-')}-file"
            group.add_argument(option, dest=f"{name}_file", metavar="FILE", help=f"{variable}, from a file")
        else:
            option = f"--{name.replace('_', '-')}"
            group.add_argument(option, dest=f"set_{name}", metavar="VALUE", help=variable)


@contextmanager
def set_from_options(arguments: argparse.Namespace) -> Iterator[None]:
    """Let the environment have what options set, within the block.

    Raises:
        ConfigurationError: A file of a secret cannot be read.
    """
    changed = dict(_read_options(arguments))
    before = {variable: os.environ.get(variable) for variable in changed}
    os.environ.update(changed)
    try:
        yield
    finally:
        for variable, value in before.items():
            if value is None:
                os.environ.pop(variable, None)
            else:
                os.environ[variable] = value


def find_option(arguments: argparse.Namespace, name: str) -> str:
    """Return the option that sets a setting in this run; an empty text if none does."""
    dashed = name.replace("_", "-")
    if getattr(arguments, f"set_{name}", None) is not None:
        return f"--{dashed}"
    return f"--{dashed}-file" if getattr(arguments, f"{name}_file", None) is not None else ""


def _read_options(arguments: argparse.Namespace) -> Iterator[tuple[str, str]]:
    for name, setting in SETTINGS.items():
        value = getattr(arguments, f"set_{name}", None)
        file = getattr(arguments, f"{name}_file", None)
        if file is not None:
            value = read_secret(file)
        if value is not None:
            yield setting.variables[0], value


def read_secret(file: str) -> str:
    """Read the secret of a file. Raises `ConfigurationError` if it cannot be read."""
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConfigurationError(f"{file}: {reason}") from None
