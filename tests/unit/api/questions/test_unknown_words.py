"""A question with words that the model does not know, over every way in which it can be asked."""

import json

import httpx
import pytest
from mcp import Client
from typer.testing import CliRunner

from hermes_ray.cli.main import app as cli
from hermes_ray.client import AsyncHermesClient, HermesClient
from hermes_ray.errors import UnknownStream
from tests.unit.api.conftest import STREAM

QUERY = f"/v1/streams/{STREAM}/query"
GREETING = {"question": "Hello dear camera", "max_tokens": 4}
WORDS = ["Hello", "dear"]


async def examples(http: httpx.AsyncClient) -> list[str]:
    return (await http.get(f"/v1/streams/{STREAM}/examples")).json()["examples"]


async def test_the_answer_warns_and_suggests_what_the_model_understands(http: httpx.AsyncClient):
    (warning,) = (await http.post(QUERY, json=GREETING)).json()["warnings"]
    assert (warning["code"], warning["words"]) == ("unknown-words", WORDS)
    assert all(repr(word) in warning["message"] for word in WORDS)
    assert len(warning["examples"]) == 3
    assert set(warning["examples"]) <= set(await examples(http))
    for question in warning["examples"]:
        assert (await http.post(QUERY, json=GREETING | {"question": question})).json()["warnings"] == []


async def test_an_option_may_be_unknown_too(http: httpx.AsyncClient):
    choice = GREETING | {"question": "what do you see ?", "options": ["a zebra", "a dog"]}
    (warning,) = (await http.post(QUERY, json=choice)).json()["warnings"]
    assert warning["words"] == ["zebra"]


async def test_the_last_event_of_a_streamed_answer_warns(http: httpx.AsyncClient):
    body = (await http.post(QUERY, json=GREETING | {"stream": True})).text
    last = json.loads(body.strip().split("\n\n")[-1].partition("data: ")[2])
    assert [warning["words"] for warning in last["warnings"]] == [WORDS]


async def test_each_of_several_streams_warns(http: httpx.AsyncClient):
    results = (await http.post("/v1/query", json=GREETING | {"streams": [STREAM]})).json()["results"]
    assert [warning["words"] for warning in results[0]["answer"]["warnings"]] == [WORDS]


@pytest.mark.parametrize("streamed", [False, True])
async def test_openai_clients_find_it_beside_what_the_answer_rests_on(http: httpx.AsyncClient, streamed: bool):
    chat = {
        "model": f"stream/{STREAM}",
        "messages": [{"role": "user", "content": GREETING["question"]}],
        "max_tokens": 4,
        "stream": streamed,
    }
    response = await http.post("/v1/chat/completions", json=chat)
    if streamed:
        chunks = [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: {")]
        (hermes,) = [chunk["hermes"] for chunk in chunks if "hermes" in chunk]
    else:
        hermes = response.json()["hermes"]
    assert [warning["words"] for warning in hermes["warnings"]] == [WORDS]


async def test_an_agent_is_warned(url: str):
    async with Client(f"{url}/mcp", mode="auto") as client:
        asked = await client.call_tool("ask_camera", {"camera": STREAM, "question": GREETING["question"]})
    assert asked.structured_content is not None
    assert [warning["words"] for warning in asked.structured_content["warnings"]] == [WORDS]


async def test_examples_are_for_streams_that_exist_and_both_clients_fetch_them(http: httpx.AsyncClient, url: str):
    assert (await http.get("/v1/streams/nobody/examples")).json()["code"] == "unknown-stream"
    async with AsyncHermesClient(url) as client:
        found = await client.examples(STREAM)
    with HermesClient(url) as blocking:
        assert blocking.examples(STREAM) == found == await examples(http)
        with pytest.raises(UnknownStream):
            blocking.examples("nobody")


def test_the_command_warns_on_stderr_and_lists_examples(url: str):
    asked = CliRunner().invoke(cli, ["ask", STREAM, "hello", "--url", url, "--max-tokens", "3"])
    assert asked.exit_code == 0, asked.stderr
    said = " ".join(asked.stderr.split())
    assert "does not know the words 'hello'" in said
    assert "what is in view now ?" in said

    listed = CliRunner().invoke(cli, ["ask", STREAM, "--examples", "--url", url])
    with HermesClient(url) as client:
        assert listed.stdout.splitlines() == client.examples(STREAM)
    as_json = CliRunner().invoke(cli, ["ask", STREAM, "--examples", "--json", "--url", url])
    assert json.loads(as_json.stdout)["examples"] == listed.stdout.splitlines()


def test_all_streams_are_asked_with_one_command(url: str):
    asked = CliRunner().invoke(cli, ["ask", "--stream-all", "what do you see ?", "--url", url, "--max-tokens", "3"])
    assert asked.exit_code == 0, asked.stderr
    assert [line.partition(": ")[0] for line in asked.stdout.splitlines()] == [STREAM]
    as_json = CliRunner().invoke(cli, ["ask", "--stream-all", "what do you see ?", "--url", url, "--json"])
    (result,) = json.loads(as_json.stdout)["results"]
    assert (result["stream"], result["problem"]) == (STREAM, None)
    assert result["answer"]["question"] == "what do you see ?"


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        ([STREAM], "QUESTION"),
        ([], "STREAM"),
        (["--stream-all"], "QUESTION"),
        (["--stream-all", STREAM, "what ?"], "one argument"),
        (["--stream-all", "--examples", "what ?"], "--examples"),
        ([STREAM, "what ?", "--examples"], "no QUESTION"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_is_sent(arguments: list[str], advice: str):
    result = CliRunner().invoke(cli, ["ask", *arguments, "--url", "http://127.0.0.1:9"])
    assert result.exit_code == 2
    assert advice in result.stderr
