"""``greenflash-otel settings``: each setting, its value, and where that comes from."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping

from greenflash_otel.checkup.settings_checks import PREFIX, list_unknown_variables
from greenflash_otel.cli.setting_options import find_option
from greenflash_otel.errors import ConfigurationError
from greenflash_otel.set_up_report import remove_password
from greenflash_otel.settings import NO_PRODUCT, SECRETS, SETTINGS, UUID, Settings, default_of

HIDDEN = "(hidden)"


def show(arguments: argparse.Namespace) -> int:
    """Print every setting; 2 if one of them cannot be used."""
    rows = [_describe(name, arguments) for name in SETTINGS]
    problems = list(_list_problems(os.environ))
    if arguments.json:
        print(json.dumps({"schema": "settings/1", "settings": rows, "problems": problems}))
    else:
        values = [(str(row["name"]), _write_value(row["value"]), str(row["source"])) for row in rows]
        widths = [max(map(len, column)) for column in zip(*values, strict=True)]
        for row, cells in zip(rows, values, strict=True):
            default = "" if row["source"] == "default" else f"  default: {_write_value(row['default'])}"
            line = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
            print(f"{line}{default}".rstrip())
    for problem in problems:
        print(problem, file=sys.stderr)
    product = os.environ.get("GREENFLASH_PRODUCT_ID", "").strip()
    if product and not UUID.fullmatch(product):  # it is not quoted: somebody may have put the key there
        print("GREENFLASH_PRODUCT_ID must be the UUID your product has in Greenflash.", file=sys.stderr)
        return 2
    try:
        Settings.read(os.environ, product_id=product or NO_PRODUCT)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _list_problems(environment: Mapping[str, str]) -> Iterator[str]:
    for variable, nearest in list_unknown_variables(environment):
        question = f" Did you mean {nearest!r}?" if nearest else ""
        yield f"{variable} is no variable of this library.{question}"


def _describe(name: str, arguments: argparse.Namespace) -> dict[str, object]:
    setting, default = SETTINGS[name], default_of(name)
    if name == "outbox":  # depends on the folders of the user
        others = {key: text for key, text in os.environ.items() if not key.startswith(PREFIX)}
        default = Settings.read(others, product_id=NO_PRODUCT).outbox
    found = [variable for variable in setting.variables if os.environ.get(variable, "").strip()]
    source, value = "default", default
    if found:
        source, value = find_option(arguments, name) or found[0], os.environ[found[0]].strip()
        value = _hide(name, value)
    return {
        "name": name,
        "value": value,
        "source": source,
        "default": default,
        "variables": list(setting.variables),
    }


def _hide(name: str, value: str) -> str:
    """Return a value as it may be shown: no key, no password, and no text in place of a product's id."""
    if name in SECRETS:
        return HIDDEN
    if name == "product_id" and not UUID.fullmatch(value):  # somebody may have put the key there
        return f"{HIDDEN}, no UUID"
    return remove_password(value) if name == "base_url" else value


def _write_value(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, (tuple, list)):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
