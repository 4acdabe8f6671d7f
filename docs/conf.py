"""How Sphinx builds these pages (`make docs`). They are written to be read unbuilt too, so what only a build needs is added here."""

import re

from sphinx.application import Sphinx

project = "jobsched"
author = "The jobsched makers"
extensions = ["myst_parser"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "jobsched"
html_copy_source = False
exclude_patterns = ["reference"]

_INDEX = "index"


def _prepare(_app: Sphinx, page: str, source: list[str]) -> None:
    """An index lists all pages in its own order; files outside of docs/ are named, but no pages to lead to."""
    text = source[0]
    if page.rpartition("/")[2] == _INDEX:
        names = re.findall(r"^\| \[[^\]]+\]\(([a-z/-]+)\.md\)", text, re.MULTILINE)
        text += "\n```{toctree}\n:hidden:\n\n" + "\n".join(names) + "\n```\n"
    outside = re.escape("../" * (page.count("/") + 1))
    source[0] = re.sub(rf"\[([^\]]+)\]\({outside}[^)]*\)", r"\1", text)


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _prepare)
