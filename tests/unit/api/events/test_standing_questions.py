"""Standing questions through the API, the Python clients, the command line, and with keys."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from hermes_ray.api.engine_backend import EngineBackend
from hermes_ray.api.keys.key_file import KeyFile, new_key, write_keys
from hermes_ray.api.keys.scopes import Caller, Scope
from hermes_ray.cli.main import app as commands
from hermes_ray.client import AsyncHermesClient, HermesClient
from hermes_ray.config import Settings, load
from hermes_ray.engine import StreamEngine
from hermes_ray.errors import InvalidRequest, StandingQuestionExists, UnknownStandingQuestion
from tests.unit.api.conftest import app_of, in_process, on_socket
from tests.unit.api.contract.test_openapi import assert_matches
from tests.unit.api.events.standing_backend import StandingBackend

PATH = "/v1/standing-questions"
GATE = {"name": "gate", "question": "is there a person at the gate?"}
FIXED = {"name": "fixed", "question": "is it raining?", "streams": ["yard"], "muted": True}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    access = {"audit": "off"}
    return load(overrides={"standing": {"questions": [FIXED]}, "api": {"access": access}})


@pytest.fixture
def backend(engine: StreamEngine, tmp_path: Path, settings: Settings) -> StandingBackend:
    return StandingBackend(engine, tmp_path / "store", settings)


@pytest.fixture
async def http(backend: StandingBackend, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with in_process(app_of(backend, settings)) as client:
        yield client


async def test_made_listed_muted_and_removed(http: httpx.AsyncClient):
    document = (await http.get("/openapi.json")).json()
    made = await http.post(PATH, json=GATE)
    documented = document["paths"][PATH]["post"]["responses"]["201"]["content"]["application/json"]["schema"]
    assert_matches(document, documented, made.json())
    assert made.status_code == 201
    assert made.json()["question"] | GATE == made.json()["question"]
    assert (made.json()["fires"], made.json()["every_s"], made.json()["in_settings"]) == (["yes"], 5.0, False)
    listed = (await http.get(PATH)).json()["standing_questions"]
    assert [(one["question"]["name"], one["in_settings"]) for one in listed] == [("fixed", True), ("gate", False)]
    muted = await http.patch(f"{PATH}/gate", json={"muted": True})
    assert (muted.status_code, muted.json()["question"]["muted"]) == (200, True)
    assert (await http.get(f"{PATH}/gate")).json() == muted.json()
    assert (await http.delete(f"{PATH}/gate")).status_code == 204
    gone = await http.get(f"{PATH}/gate")
    assert (gone.status_code, gone.json()["code"]) == (404, "unknown-standing-question")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "Gate!"}, "name"),
        ({"fires": ["maybe"]}, "fires"),
        ({"options": ["a"]}, "options"),
        ({"clear_at": 0.9}, "body: clear_at: 0.9 is above fire_at 0.6"),
        ({"every_s": "often"}, "every_s"),
        ({"quiet": [{"begins": "25:00", "ends": "06:00"}]}, "quiet.0.begins"),
        ({"quiet": [{"begins": "22:00", "ends": "06:00", "zone": "Atlantis"}]}, "quiet.0.zone"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_what_is_no_question_is_refused_by_field(http: httpx.AsyncClient, body: dict[str, Any], field: str):
    refused = await http.post(PATH, json=GATE | body)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid-request")
    assert field in refused.json()["detail"]


async def test_conflicts_say_what_to_do(http: httpx.AsyncClient):
    assert (await http.post(PATH, json=GATE)).status_code == 201
    for response, status, code in [
        (await http.post(PATH, json=GATE), 409, "standing-question-exists"),
        (await http.post(PATH, json=GATE | {"name": "fixed"}), 409, "standing-question-exists"),
        (await http.delete(f"{PATH}/fixed"), 422, "invalid-request"),
        (await http.patch(f"{PATH}/gone", json={"muted": True}), 404, "unknown-standing-question"),
        (await http.post(PATH, json=GATE | {"name": "b", "every_s": 0.1, "streams": ["*"]}), 422, "invalid-request"),
    ]:
        assert (response.status_code, response.json()["code"]) == (status, code)


async def test_another_question_takes_the_place_of_one_or_that_is_asked_as_before(http: httpx.AsyncClient):
    for name in ("gate", "door"):
        await http.post(PATH, json=GATE | {"name": name})
    changed = GATE | {"question": "is anybody there?", "every_s": 20}
    replaced = await http.put(f"{PATH}/gate", json=changed)
    assert (replaced.status_code, replaced.json()["every_s"]) == (200, 20)
    for name, body, status, said in [
        ("gate", GATE | {"every_s": 0.1, "streams": ["*"]}, 422, "would ask"),
        ("gate", GATE | {"name": "door"}, 422, "'gate' of the path"),
        ("fixed", FIXED | {"muted": False}, 422, "in the settings"),
        ("gone", GATE | {"name": "gone"}, 404, "'gone'"),
    ]:
        refused = await http.put(f"{PATH}/{name}", json=body)
        assert (refused.status_code, said in refused.json()["detail"]) == (status, True)
    listed = (await http.get(PATH)).json()["standing_questions"]
    assert {one["question"]["name"]: one["question"]["question"] for one in listed} == {
        "door": GATE["question"],
        "fixed": FIXED["question"],
        "gate": "is anybody there?",
    }


async def test_an_engine_alone_says_that_it_puts_none(engine: StreamEngine, settings: Settings):
    async with in_process(app_of(EngineBackend(engine), settings)) as alone:
        assert (await alone.get(PATH)).json() == {"standing_questions": []}
        assert (await alone.post(PATH, json=GATE)).status_code == 422


async def test_keys_see_and_make_what_watches_their_streams_alone(
    backend: StandingBackend, settings: Settings, tmp_path: Path
):
    def key(scopes: list[str], streams: list[str]) -> tuple[Any, dict[str, str]]:
        made, secret = new_key("k", map(Scope, scopes), streams, datetime.now(UTC), None)
        return made, {"Authorization": f"Bearer {secret}"}

    reader, reads = key(["read", "ask"], ["*"])
    owner, owns = key(["read", "manage"], ["gate-*"])
    file = tmp_path / "keys.json"
    write_keys(file, KeyFile(keys=(reader, owner)))
    keyed = load(overrides={"api": {"access": {"keys_file": str(file), "audit": "off"}}})
    async with in_process(app_of(backend, keyed)) as http:
        assert (await http.get(PATH)).status_code == 401
        assert (await http.post(PATH, json=GATE, headers=reads)).status_code == 403
        own = {"name": "gate-1.person", "streams": ["gate-1", "gate-n*"]}
        wide = await http.post(PATH, json=GATE | own | {"streams": ["*"]}, headers=owns)
        assert (wide.status_code, "gate-*" in wide.json()["detail"]) == (422, True)
        assert (await http.post(PATH, json=GATE | own, headers=owns)).status_code == 201
        listed = {who: (await http.get(PATH, headers=has)).json() for who, has in (("reader", reads), ("owner", owns))}
        names = {who: [q["question"]["name"] for q in found["standing_questions"]] for who, found in listed.items()}
        assert names == {"reader": ["fixed", "gate-1.person"], "owner": ["gate-1.person"]}
        wider = await http.put(f"{PATH}/gate-1.person", json=GATE | own | {"streams": ["yard"]}, headers=owns)
        assert (wider.status_code, "gate-*" in wider.json()["detail"]) == (422, True)
        narrower = GATE | own | {"streams": ["gate-1"]}
        assert (await http.put(f"{PATH}/gate-1.person", json=narrower, headers=owns)).status_code == 200
        for hidden in (
            await http.delete(f"{PATH}/fixed", headers=owns),
            await http.put(f"{PATH}/fixed", json=FIXED | {"streams": ["gate-1"]}, headers=owns),
            await http.patch(f"{PATH}/fixed", json={"muted": False}, headers=owns),
        ):
            assert (hidden.status_code, hidden.json()["code"]) == (404, "unknown-standing-question")
        assert (await http.delete(f"{PATH}/gate-1.person", headers=owns)).status_code == 204


async def test_what_a_key_is_told_of_names_is_the_same_whether_others_have_them(
    backend: StandingBackend, settings: Settings, tmp_path: Path
):
    owner, secret = new_key("k", [Scope.READ, Scope.MANAGE], ["gate-*"], datetime.now(UTC), None)
    file = tmp_path / "keys.json"
    write_keys(file, KeyFile(keys=(owner,)))
    keyed = load(overrides={"api": {"access": {"keys_file": str(file), "audit": "off"}}})
    taken, free = "fixed", "tixed"
    async with in_process(app_of(backend, keyed)) as http:
        http.headers["Authorization"] = f"Bearer {secret}"

        async def told(name: str) -> list[tuple[int, Any]]:
            answers = [
                await http.get(f"{PATH}/{name}"),
                await http.patch(f"{PATH}/{name}", json={"muted": True}),
                await http.delete(f"{PATH}/{name}"),
                await http.put(f"{PATH}/{name}", json=GATE | {"name": name, "streams": ["gate-1"]}),
                await http.post(PATH, json=GATE | {"name": name, "streams": ["gate-1"]}),
                await http.post(PATH, json=GATE | {"name": name, "streams": ["yard"]}),
            ]
            return [(one.status_code, one.json()["detail"].replace(name, "NAME")) for one in answers]

        assert await told(taken) == await told(free)
        assert [status for status, _ in await told(taken)] == [404, 404, 404, 404, 422, 422]


@pytest.mark.parametrize(
    ("streams", "name", "may"),
    [
        (["*"], "truck", True),
        (["yard", "*"], "truck", True),
        (["yard"], "yard.truck", True),
        (["Yard"], "yard.truck", True),
        (["site.1-*"], "site.1-a.truck", True),
        (["yard"], "truck", False),
        (["yard"], "yard", False),
        (["yard"], "yards.truck", False),
        (["dock-*"], "yard.dock-1.truck", False),
    ],
)
def test_keys_name_questions_after_their_streams(streams: list[str], name: str, may: bool):
    assert Caller("k", "k", frozenset(), tuple(streams)).may_name(name) is may


@pytest.mark.parametrize(
    ("own", "pattern", "covered"),
    [
        ("*", "[ab]?*", True),
        ("gate-*", "gate-*", True),
        ("gate-*", "gate-1", True),
        ("gate-*", "gate-?", True),
        ("gate-*", "*", False),
        ("gate-*", "gate*", False),
        ("gate-*", "[g]ate-1", False),
        ("gate-?", "gate-*", False),
        ("gate-?", "gate-?", True),
        ("*a*", "[ba]x", False),  # "bx" has no a
        ("gate-1", "gate-1", True),
        ("gate-1", "gate-2", False),
    ],
)
def test_globs_that_cover_globs(own: str, pattern: str, covered: bool):
    assert Caller("k", "k", frozenset(), (own,)).sees_all(pattern) is covered


async def test_clients_and_commands(backend: StandingBackend, settings: Settings):
    runner = CliRunner()
    with on_socket(app_of(backend, settings)) as url:

        def run(*arguments: str, code: int = 0) -> str:
            result = runner.invoke(commands, ["standing", *arguments, "--url", url])
            assert result.exit_code == code, result.output + result.stderr
            return result.stdout + result.stderr

        shown = run(
            *("add", "truck", "did a red truck come?", "--stream", "dock-*", "--every", "10", "--json"),
            *("--quiet", "22:00-06:00@Europe/Berlin", "--cool-down", "60", "--on", "match"),
        )
        made = json.loads(shown)["question"]
        assert (made["streams"], made["every_s"], made["on"], made["cool_down_s"]) == (["dock-*"], 10, "match", 60)
        assert made["quiet"] == [{"begins": "22:00", "ends": "06:00", "zone": "Europe/Berlin"}]
        assert "--quiet" in run("add", "x", "y?", "--quiet", "at night", code=2)
        run("mute", "truck")
        run("unmute", "fixed")
        found = json.loads(run("list", "--json"))["standing_questions"]
        assert {q["question"]["name"]: q["question"]["muted"] for q in found} == {"fixed": False, "truck": True}
        assert "dock-*" in run("list")
        run("remove", "truck")
        assert "no standing question 'truck'" in run("remove", "truck", code=1)
        with HermesClient(url) as client:
            assert client.add_standing_question(**GATE).question.name == "gate"
            with pytest.raises(StandingQuestionExists):
                client.add_standing_question(**GATE)
            with pytest.raises(InvalidRequest, match="fires"):
                client.add_standing_question(**GATE, fires=["x"])
        async with AsyncHermesClient(url) as client:
            assert (await client.mute_standing_question("gate")).question.muted
            await client.remove_standing_question("gate")
            with pytest.raises(UnknownStandingQuestion):
                await client.remove_standing_question("gate")
            assert [found.question.name for found in await client.standing_questions()] == ["fixed"]
