"""Renew the golden file: `make golden`. Arguments are beginnings of the sources' names; by default, all."""

from __future__ import annotations

import sys

from tests.golden import names, store
from tests.golden.sources import sources


def main(*only: str) -> None:
    """Write the lines of each source."""
    wanted = {name: source for name, source in sources().items() if name.startswith(only or ("",))}
    if not only:
        for folder in ("bodies", "records"):
            for path in (store.HERE / folder).rglob("*.jsonl"):
                path.unlink()
    attributes: dict[str, str] = {}
    for name, source in wanted.items():
        cases = list(source())
        for kind, write in (("bodies", store.bodies), ("records", store.records)):
            path = store.path_of(kind, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(write(cases), encoding="utf-8")
        for case in cases:
            attributes |= case.attributes
    if not only:
        names.FILE.write_text(names.text(attributes), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
