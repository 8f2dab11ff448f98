"""The page as a whole: it is there, it is one of this API's, and it gets about."""

import httpx
from playwright.async_api import Page, expect

from tests.console.conftest import shown

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


async def test_a_browser_gets_the_console_and_keeps_it_until_it_changes(url: str):
    async with httpx.AsyncClient(base_url=url) as http:
        page = await http.get("/", headers={"Accept": BROWSER})
        assert page.headers["content-type"].startswith("text/html")
        assert "default-src 'none'" in page.headers["content-security-policy"]
        again = await http.get("/", headers={"Accept": BROWSER, "If-None-Match": page.headers["etag"]})
        script = await http.get("/console/app.js")
        assert (again.status_code, script.headers["content-type"]) == (304, "text/javascript; charset=utf-8")
        assert (await http.get("/console/app.js", headers={"If-None-Match": script.headers["etag"]})).status_code == 304
        for path in ("/console/", "/console/nothing.js", "/console/..%2f__init__.py", "/console/index.html"):
            assert (await http.get(path)).status_code == 404, path


async def test_each_view_opens_by_its_address_and_by_the_navigation(page: Page):
    await shown(page, "")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Cameras")
    await page.get_by_role("link", name="System").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("System")
    await page.go_back()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Cameras")
    await shown(page, "#/nowhere")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Cameras")
