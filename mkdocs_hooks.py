"""What the documentation's site needs beside ``docs/``: files of the repository that pages link to.

The pages are written for the repository, where a link may lead anywhere. On the site such a file is a page or a picture
below ``repository/``, with links of its own treated alike; a directory without a README.md is its name only.
"""

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent
DOCS = ROOT / "docs"
BESIDE = "repository/"
_LINK = re.compile(r"\[([^\]]*)\]\(([^)#\s]+)(#[^)\s]*)?\)")
_FENCE = re.compile(r"^(```.*?^```|~~~.*?^~~~)", re.MULTILINE | re.DOTALL)
_PICTURES = (".png", ".svg", ".jpg")
_UNSEARCHED = "---\nsearch:\n  exclude: true\n---\n"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Fill in the pages of folders that the navigation names; what it leaves out comes last."""
    nav = list(_with_folders(config.nav or []))
    named = set(_leaves(nav))
    left = [uri for page in sorted(DOCS.rglob("*.md")) if (uri := page.relative_to(DOCS).as_posix()) not in named]
    config.nav = [*nav, {"More": left}] if left else nav
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what pages, and pages so added, link to outside of ``docs/``."""
    waiting = [_source(uri) for uri in _leaves(config.nav or []) if uri.startswith(BESIDE)]
    for page in sorted(DOCS.rglob("*.md")):
        waiting += _linked(page)
    while waiting:
        path = waiting.pop()
        uri = _uri(path)
        if uri is None or files.get_file_from_path(uri) is not None:
            continue
        if path.suffix in (".md", *_PICTURES):
            files.append(File.generated(config, uri, abs_src_path=str(path)))
        else:
            text = f"{_UNSEARCHED}\n# {path.relative_to(ROOT)}\n\n````{path.suffix[1:]}\n{path.read_text()}\n````\n"
            files.append(File.generated(config, uri, content=text))
        if path.suffix == ".md":
            waiting += _linked(path)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Make links lead to where their targets are on the site."""
    source = _source(page.file.src_uri)
    if source.suffix != ".md":
        return markdown

    def rewritten(match: re.Match[str]) -> str:
        text, target, section = match[1], match[2], match[3] or ""
        if "://" in target or target.startswith("mailto:"):
            return match[0]
        path = _resolved(source, target)
        uri = _uri(path)
        if uri is None:  # what does not exist is left for MkDocs to refuse
            return text if path.is_dir() else match[0]
        return f"[{text}]({posixpath.relpath(uri, posixpath.dirname(page.file.src_uri))}{section})"

    return "".join(
        part if _FENCE.match(part) else _LINK.sub(rewritten, part) for part in _FENCE.split(markdown) if part
    )


def _with_folders(nav: list[Any]) -> Iterator[Any]:
    for item in nav:
        if isinstance(item, str) and item.endswith("/"):
            yield from _pages_of(DOCS / item)
        elif isinstance(item, dict):
            yield {title: list(_with_folders(part)) if isinstance(part, list) else part for title, part in item.items()}
        else:
            yield item


def _pages_of(folder: Path) -> Iterator[str]:
    index = folder / "README.md"
    pages = [index, *(page for page in _linked(index) if page.parent == folder), *sorted(folder.glob("*.md"))]
    yield from (str(page.relative_to(DOCS)) for page in dict.fromkeys(pages))


def _leaves(nav: list[Any]) -> Iterator[str]:
    for item in nav:
        for part in item.values() if isinstance(item, dict) else [item]:
            if isinstance(part, list):
                yield from _leaves(part)
            else:
                yield part


def _linked(page: Path) -> list[Path]:
    """Files of the repository that a page links to, in order."""
    text = _FENCE.sub("", page.read_text())
    return [_resolved(page, match[2]) for match in _LINK.finditer(text) if "://" not in match[2]]


def _resolved(page: Path, target: str) -> Path:
    path = Path(posixpath.normpath(page.parent / target))
    index = path / "README.md"
    return index if index.is_file() else path


def _uri(path: Path) -> str | None:
    """Where a file of the repository is in the site's sources; ``None`` if it is not there."""
    if not path.is_file():
        return None
    if path.is_relative_to(DOCS):
        return path.relative_to(DOCS).as_posix()
    uri = BESIDE + path.relative_to(ROOT).as_posix()
    return uri if path.suffix in (".md", *_PICTURES) else f"{uri}.md"


def _source(uri: str) -> Path:
    """The file of the repository behind a place in the site's sources."""
    path = ROOT / uri.removeprefix(BESIDE) if uri.startswith(BESIDE) else DOCS / uri
    return path if path.exists() else path.with_suffix("")
