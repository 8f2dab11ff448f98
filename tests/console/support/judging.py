"""What every view must stand up to, in light and dark, wide and on a phone."""

from pathlib import Path

from playwright.async_api import Page

_AXE = Path(__file__).parents[2] / "javascript" / "node_modules" / "axe-core" / "axe.min.js"


async def serious_findings(page: Page) -> list[str]:
    """What axe-core finds on the page that is serious or critical."""
    assert _AXE.is_file(), "run `npm install` in tests/javascript, or `make test`"
    await page.evaluate(_AXE.read_text())
    found = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{finding['id']}: {finding['help']}: {node['html'][:200]} {node['failureSummary']}"
        for finding in found["violations"]
        if finding["impact"] in ("serious", "critical")
        for node in finding["nodes"]
    ]


async def is_wider_than_its_window(page: Page) -> bool:
    """Whether the page as a whole must be scrolled sideways."""
    return await page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
