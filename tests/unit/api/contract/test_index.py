"""The root: a browser and a program each get what they can use."""

import httpx

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


async def test_a_browser_is_shown_the_console(http: httpx.AsyncClient):
    response = await http.get("/", headers={"Accept": BROWSER})
    assert response.headers["content-type"].startswith("text/html")
    assert response.headers["vary"] == "Accept"


async def test_a_program_is_told_what_there_is(http: httpx.AsyncClient):
    response = await http.get("/")
    assert response.headers["vary"] == "Accept"
    index = response.json()
    for link in ("documentation", "openapi", "streams", "ready"):
        assert (await http.get(index[link])).status_code == 200, link
    assert index["events"] is None  # an engine alone keeps none
