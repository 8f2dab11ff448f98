"""The OpenAI-compatible routes, through OpenAI's own client."""

from collections.abc import AsyncIterator

import httpx
import openai
import pytest

from hermes_ray.api.engine_backend import EngineBackend
from hermes_ray.config import ApiSettings, Settings
from hermes_ray.engine import StreamEngine
from tests.unit.api.conftest import STREAM, app_of, in_process

MODEL = f"stream/{STREAM}"
MESSAGES = [{"role": "user", "content": "What is there?"}]


@pytest.fixture
async def client(url: str) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0) as client:
        yield client


async def test_each_stream_is_a_model(client: openai.AsyncOpenAI):
    assert [model.id async for model in client.models.list()] == [MODEL]


async def test_a_chat_completion_is_the_same_answer_as_the_native_one(client: openai.AsyncOpenAI, url: str):
    completion = await client.chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=6)
    async with httpx.AsyncClient(base_url=url) as http:
        query = {"question": "What is there?", "max_tokens": 6}
        native = (await http.post(f"/v1/streams/{STREAM}/query", json=query)).json()
    (choice,) = completion.choices
    assert choice.message.content == native["answer"]
    assert choice.finish_reason == native["finish_reason"]
    assert completion.usage is not None
    assert completion.usage.completion_tokens == native["usage"]["completion_tokens"]
    assert completion.usage.total_tokens == sum(native["usage"].values())


async def test_a_streamed_completion_adds_up_to_the_whole_one(client: openai.AsyncOpenAI):
    options = {"model": MODEL, "messages": MESSAGES, "max_tokens": 6}
    whole = await client.chat.completions.create(**options)
    stream = await client.chat.completions.create(**options, stream=True, stream_options={"include_usage": True})
    chunks = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == whole.choices[0].finish_reason
    assert chunks[-1].usage == whole.usage


async def test_only_the_last_message_is_asked(client: openai.AsyncOpenAI):
    history = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "And before?"},
        {"role": "assistant", "content": "Nothing."},
    ]
    parts = [{"role": "user", "content": [{"type": "text", "text": "What is there?"}]}]
    alone, after_history = [
        await client.chat.completions.create(model=MODEL, messages=messages, max_tokens=6)
        for messages in (MESSAGES, history + parts)
    ]
    assert alone.choices[0].message == after_history.choices[0].message
    assert alone.usage == after_history.usage


@pytest.mark.parametrize("stream", [False, True])
async def test_errors_are_the_clients_own_with_our_reason(client: openai.AsyncOpenAI, stream: bool):
    with pytest.raises(openai.NotFoundError, match="nobody") as raised:
        await client.chat.completions.create(model="stream/nobody", messages=MESSAGES, stream=stream)
    assert raised.value.code == "unknown-stream"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"model": "gpt-4"}, "stream/ID"),
        ({"n": 2}, "n: "),
        ({"top_p": 0.5}, "top_p: "),
        ({"stop": ["."]}, "stop: "),
        ({"tools": []}, "tools: "),
        ({"messages": []}, "messages: "),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "role user"),
        ({"messages": [{"role": "user", "content": "  "}]}, "empty"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:x"}}]}]},
            "messages.0.content",
        ),
    ],
)
async def test_what_a_camera_cannot_honour_is_refused_by_name(client: openai.AsyncOpenAI, options: dict, reason: str):
    with pytest.raises(openai.UnprocessableEntityError, match=reason):
        await client.chat.completions.create(**({"model": MODEL, "messages": MESSAGES} | options))


async def test_an_answer_that_fails_half_way_raises_after_its_tokens(engine: StreamEngine):
    settings = Settings(api=ApiSettings(request_timeout_s=1.5))
    async with in_process(app_of(EngineBackend(engine), settings)) as http:
        client = openai.AsyncOpenAI(base_url="http://localhost/v1", api_key="unused", max_retries=0, http_client=http)
        stream = await client.chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=4096, stream=True)
        assert (await anext(stream)).choices
        with pytest.raises(openai.APIError, match="within"):
            async for _ in stream:
                pass
