"""mkdocs calls this: pages that lie elsewhere in the repository join the site, and links lead to where pages are there.

The documents link to each other as files of the repository, which is what GitHub shows. On the site a link to a page
leads to that page, and a link to anything else of the repository is left as its text.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
# From the repository's root to the site's.
ELSEWHERE = {
    "README.md": "index.md",
    "benchmarks/RESULTS.md": "results.md",
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changes.md",
    "CONTRIBUTING.md": "contributing.md",
}
_SOURCES = {page: source for source, page in ELSEWHERE.items()}
_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!\w+:)([^)#\s]*)(#[^)\s]*)?\)")
_CODE = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that lie elsewhere."""
    for source, page in ELSEWHERE.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead the links of a page to where their targets are on the site."""
    return relinked(markdown, page.file.src_uri)


def relinked(markdown: str, page: str) -> str:
    """Rewrite the links of a page of the site, but for those in blocks of code."""
    parts = _CODE.split(markdown)
    return "".join(
        part if part.startswith("```") else _LINK.sub(lambda found: _link(found, page), part) for part in parts
    )


def _link(found: re.Match[str], page: str) -> str:
    mark, text, target, heading = found[1], found[2], found[3], found[4] or ""
    if not target:
        return found[0]
    source = _SOURCES.get(page, f"docs/{page}")
    path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
    on_site = ELSEWHERE.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else None)
    if on_site is None:
        return text
    return f"{mark}[{text}]({posixpath.relpath(on_site, posixpath.dirname(page) or '.')}{heading})"
