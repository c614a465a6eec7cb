"""Build the site from the pages: `python docs/build_site.py FOLDER`, with the environment of `docs/requirements.lock`.

The pages are written for two readers, a code host and the site. So they are copied first, with three changes:

- The words behind the language of a fence are for our tests. They go.
- What a page links to outside of `docs` comes along: pages as pages, other files as text.
- The tool has no hook for what else a site needs. So `llms.txt`, `llms-full.txt` and the Markdown of each page are
  written after it has built. Where a page has the API made from docstrings, that Markdown has the docstrings.

It fails on a link that leads nowhere and on a name of the API that does not exist. It needs no network.
"""

from __future__ import annotations

import argparse
import posixpath
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

DOCS = Path(__file__).parent
ROOT = DOCS.parent
FENCE = re.compile(r"^( *```\w+) [^\n]*$", re.MULTILINE)
LINK = re.compile(r"(\]\()([^)#:\s]+)((?:#[^)]*)?\))")
CODE = re.compile(r"(^ *```.*?^ *```$)", re.MULTILINE | re.DOTALL)
API = re.compile(r"^::: greenflash_otel\.(\w+)$", re.MULTILINE)
HOME_LINE = "> {description} Each page is also Markdown: put `.md` behind its address."

Entry = tuple[str, str, str]
"""A page in the navigation: the title of its part, its own title, its path below `docs`."""


def read_config() -> dict[str, Any]:
    """Return the table `project` of the configuration."""
    return dict(tomllib.loads((DOCS / "zensical.toml").read_text(encoding="utf-8"))["project"])


def entries_of(nav: list[Any], part: str = "") -> Iterator[Entry]:
    """Yield the pages of the navigation in its order."""
    for item in nav:
        for title, inside in item.items():
            if isinstance(inside, str):
                yield part, title, inside
            else:
                yield from entries_of(inside, part or title)


class Pages:
    """The copied pages, and what they link to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._done: set[Path] = set()

    def copy_all(self) -> None:
        """Copy every page, and its pictures."""
        for path in sorted(DOCS.glob("**/*.md")):
            self._copy(path)
        shutil.copytree(DOCS / "pictures", self.folder / "pictures")

    def _place(self, path: Path) -> str:
        """Return where a file of the repository is in the site."""
        if path.is_relative_to(DOCS):
            return path.relative_to(DOCS).as_posix()
        name = path.relative_to(ROOT).as_posix()
        return f"source/{name if path.suffix == '.md' else f'{name}.txt'}"

    def _copy(self, path: Path) -> None:
        if path in self._done:
            return
        self._done.add(path)
        place = self._place(path)
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".md":
            parts = CODE.split(FENCE.sub(r"\1", text))
            parts[::2] = [LINK.sub(lambda link: self._follow(path, place, link), part) for part in parts[::2]]
            text = "".join(parts)
        target = self.folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")

    def _follow(self, page: Path, place: str, link: re.Match[str]) -> str:
        """Return a link as it has to be in the site, and copy what it leads to."""
        target = (page.parent / link[2]).resolve()
        if not target.is_file():
            return link[0]  # the tool reports it
        if not target.is_relative_to(DOCS):
            self._copy(target)
        return f"{link[1]}{posixpath.relpath(self._place(target), posixpath.dirname(place) or '.')}{link[3]}"


def run_zensical(work: Path, site: Path) -> None:
    """Run the tool in a folder of its own, because it looks for everything beside its configuration."""
    text = (DOCS / "zensical.toml").read_text(encoding="utf-8")
    text = text.replace('["../src"]', f'["{(ROOT / "src").as_posix()}"]')
    (work / "zensical.toml").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--clean", "--strict"],
        cwd=work,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{done.stdout}\n{done.stderr}")
    shutil.copytree(work / "site", site, dirs_exist_ok=True)


def describe_name(name: str, package: Any) -> str:
    """Return the signature and the docstring of a public name, as Markdown."""
    found = package[name]
    found = found.final_target if found.is_alias else found
    head = f"{found.name}({', '.join(map(str, found.parameters))})" if found.is_function else found.name
    lines = [
        f"### {name}",
        "",
        "```python",
        head,
        "```",
        "",
        found.docstring.value if found.docstring else "",
    ]
    return "\n".join(lines)


def write_markdown(pages: Path, site: Path, config: dict[str, Any]) -> None:
    """Write what language models read: an index, everything in one file, and each page by itself."""
    import griffe  # comes with mkdocstrings; the tests read this module without it

    package = griffe.load("greenflash_otel", search_paths=[ROOT / "src"], resolve_aliases=True)
    url = config["site_url"]
    index = [f"# {config['site_name']}", "", HOME_LINE.format(description=config["site_description"])]
    whole, last = [*index], ""
    for part, title, path in entries_of(config["nav"]):
        text = (pages / path).read_text(encoding="utf-8")
        text = API.sub(lambda found: describe_name(found[1], package), text)
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text, encoding="utf-8")
        index += ["", f"## {part}", ""] if part != last else []
        index.append(f"- [{title}]({url}{path}): {first_sentence(text)}")
        whole += ["", f"<!-- {url}{path} -->", "", text.rstrip()]
        last = part
    (site / "llms.txt").write_text("\n".join([*index, ""]), encoding="utf-8")
    (site / "llms-full.txt").write_text("\n".join([*whole, ""]), encoding="utf-8")


def first_sentence(text: str) -> str:
    """Return the first sentence of a page, without links."""
    paragraphs = [part for part in text.split("\n\n") if part and not part.startswith(("#", "!", "<"))]
    line = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", " ".join(paragraphs[0].split()))
    return re.split(r"(?<=[.:]) ", line)[0].rstrip(":")


def main() -> None:
    """Build the site into the folder of the command line, which must be new or empty."""
    parser = argparse.ArgumentParser(description="Build the site.")
    parser.add_argument(
        "folder", type=Path, help="becomes the site; its neighbour FOLDER.work is for the tool"
    )
    site = parser.parse_args().folder.resolve()
    work = site.with_name(f"{site.name}.work")
    for folder in (work, site):
        shutil.rmtree(folder, ignore_errors=True)
    (work / "docs").mkdir(parents=True)
    Pages(work / "docs").copy_all()
    run_zensical(work, site)
    write_markdown(work / "docs", site, read_config())


if __name__ == "__main__":
    main()
