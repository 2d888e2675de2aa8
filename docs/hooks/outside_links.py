"""Links that leave the folder of the documents lead to the repository's web pages. One that names nothing is a warning."""

from __future__ import annotations

import logging
import posixpath
import re
from pathlib import Path
from typing import Any

from pymdownx.slugs import slugify

LINK = re.compile(r"(?<=\]\()(\.\./[^)#\s]*)(#[^)\s]*)?(?=\))")
CODE = re.compile(r"(?ms)^```.*?^```$")
log = logging.getLogger("mkdocs.hooks.outside_links")


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Replace the links that leave the folder."""
    folder = posixpath.dirname(page.file.src_uri)

    def replace(match: re.Match[str]) -> str:
        target, anchor = match[1], match[2] or ""
        path = posixpath.normpath(posixpath.join("docs", folder, target))
        if path.startswith("docs/"):
            return match[0]
        root = Path(config.config_file_path).parent
        if not (root / path).exists():
            log.warning("%s links to %s, which does not exist", page.file.src_uri, target)
        elif anchor and anchor[1:] not in headings(root / path):
            log.warning("%s links to %s%s, but there is no such heading", page.file.src_uri, target, anchor)
        kind = "tree" if (root / path).is_dir() else "blob"
        return f"{config.extra['repository']}/{kind}/main/{path}{anchor}"

    return LINK.sub(replace, markdown)


def headings(document: Path) -> set[str]:
    """Return the anchors of a Markdown file's headings."""
    text = CODE.sub("", document.read_text())
    slug = slugify(case="lower")
    return {slug(heading, "-") for heading in re.findall(r"(?m)^#+ +(.*)$", text)}
