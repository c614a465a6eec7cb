"""What the page and the docstring show, run as written in an empty project."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

from greenflash_otel import testing
from tests.testing_plugin.project import Project

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"


def test_the_page(project: Project) -> None:
    """Both files of the page, under the names that they give themselves."""
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        [name] = re.findall(r"\A# (\w+)\.py\n", block)
        project.write(**{name: block})
    run = project.test()
    assert run.counts == {"passed": 2}, run


def test_the_docstring(project: Project) -> None:
    """The example of the package, with nothing else installed."""
    text = testing.__doc__ or ""
    example = text[text.index("    import greenflash_otel") : text.index("Each test")]
    project.write(test_upgrade=dedent(example))
    run = project.test()
    assert run.counts == {"passed": 1}, run
