"""The root: a browser and a program each get what they can use."""

import httpx

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


async def test_a_browser_is_sent_to_the_page_that_documents_the_api(http: httpx.AsyncClient):
    response = await http.get("/", headers={"Accept": BROWSER})
    assert response.is_redirect
    page = await http.get(response.url.join(response.headers["location"]))
    assert page.headers["content-type"].startswith("text/html")


async def test_a_program_is_told_what_there_is(http: httpx.AsyncClient):
    response = await http.get("/")
    assert response.headers["vary"] == "Accept"
    index = response.json()
    for link in ("documentation", "openapi", "streams", "ready"):
        assert (await http.get(index[link])).status_code == 200, link
