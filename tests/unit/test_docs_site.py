"""The documentation as a site: built without a warning, links that lead somewhere, nothing loaded from elsewhere."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[2]
_LOADING = {"link": "href", "script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src"}


class _Page(HTMLParser):
    """Names of its sections, what it links to and what it loads."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value for name, value in attrs if value is not None}
        self.names |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif _LOADING.get(tag, "") in found:
            self.loads.append(found[_LOADING[tag]])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("site")
    run = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(place)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr  # packages are missing: make setup
    return place


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, _Page]:
    return {path: _Page(path.read_text()) for path in sorted(site.rglob("*.html"))}


def test_every_page_of_the_documentation_is_on_the_site(site: Path, pages: dict[Path, _Page]):
    sources = [path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")]
    expected = {site / path.parent / f"{'index' if path.stem == 'README' else path.stem}.html" for path in sources}
    assert expected <= pages.keys()


def test_every_link_leads_to_a_page_and_its_section(pages: dict[Path, _Page]):
    # Links of the page for what is not found begin at a server's root.
    of_site = {path: page for path, page in pages.items() if path.name != "404.html"}
    assert [wrong for path, page in of_site.items() for wrong in _dead_ends(path, page, pages)] == []


def _dead_ends(path: Path, page: _Page, pages: dict[Path, _Page]) -> Iterator[tuple[str, str]]:
    for link in page.links:
        parts = urlsplit(link)
        if parts.scheme:
            continue
        target = Path(os.path.normpath(path.parent / unquote(parts.path))) if parts.path else path
        names = pages[target].names if target in pages else set()
        if not target.is_file() or (parts.fragment and unquote(parts.fragment) not in names):
            yield path.name, link


def test_what_a_page_loads_is_on_the_site(site: Path, pages: dict[Path, _Page]):
    for path, page in pages.items():
        for loaded in page.loads:
            parts = urlsplit(loaded)
            assert (parts.scheme, parts.netloc) in (("", ""), ("data", "")), (path.name, loaded)
            if path.name != "404.html" and not parts.scheme:
                assert (path.parent / unquote(parts.path)).exists(), (path.name, loaded)
    for style in site.rglob("*.css"):
        assert not re.search(r"(?:url\(|@import )[\"']?(?:https?:)?//", style.read_text()), style.name


def test_files_beside_the_documentation_are_pages_too(pages: dict[Path, _Page], site: Path):
    schema = (site / "repository" / "kafka" / "frame-message.schema.json.html").read_text()
    assert "content-type" in schema
    assert "../repository/dashboards/rules/hermes.yaml.html" in pages[site / "runbooks" / "index.html"].links
