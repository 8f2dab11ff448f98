"""The OpenAI-compatible routes, through OpenAI's own client."""

import time
from collections.abc import AsyncIterator

import httpx
import openai
import pytest

from hermes_ray.api.engine_backend import EngineBackend
from hermes_ray.config import ApiSettings, Settings
from hermes_ray.engine import Question, StreamEngine
from tests.unit.api.conftest import FIRST_TS_MS, FRAMES, STREAM, app_of, in_process

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


async def test_earlier_messages_are_the_conversation(client: openai.AsyncOpenAI, engine: StreamEngine):
    history = [
        {"role": "developer", "content": "what did you see ?"},
        {"role": "assistant", "content": "ask me ."},
        {"role": "user", "content": "who came ?"},
        {"role": "user", "content": "and when ?"},
        {"role": "assistant", "content": [{"type": "text", "text": "a "}, {"type": "text", "text": "dog ."}]},
    ]
    completion = await client.chat.completions.create(model=MODEL, messages=history + MESSAGES, max_tokens=6)
    conversation = (("", "ask me ."), ("who came ?\nand when ?", "a dog ."))
    asked = Question("What is there?", 6, history=conversation, instructions="what did you see ?")
    expected = engine.ask(STREAM, asked).result(30)
    assert completion.choices[0].message.content == expected.text
    assert completion.usage is not None
    assert completion.usage.prompt_tokens == expected.prompt_tokens


async def test_an_answer_goes_back_as_a_message(client: openai.AsyncOpenAI):
    first = await client.chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=6)
    conversation = [*MESSAGES, first.choices[0].message, *MESSAGES]
    second = await client.chat.completions.create(model=MODEL, messages=conversation, max_tokens=6)
    assert second.usage.prompt_tokens > 2 * first.usage.prompt_tokens
    assert second.model_extra["warnings"] == []


async def test_a_conversation_that_is_too_long_is_refused_by_name(client: openai.AsyncOpenAI):
    turns = [*MESSAGES, {"role": "assistant", "content": "a dog ."}] * 40
    with pytest.raises(openai.UnprocessableEntityError, match=r"messages: .* at most 512 are allowed") as raised:
        await client.chat.completions.create(model=MODEL, messages=turns + MESSAGES)
    assert raised.value.code == "invalid-question"


@pytest.mark.parametrize("stream", [False, True])
async def test_answers_say_how_fresh_they_are(client: openai.AsyncOpenAI, stream: bool):
    answer = await client.chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=2, stream=stream)
    last = [chunk async for chunk in answer][-1] if stream else answer
    newest_ms = FIRST_TS_MS + 1000 * (FRAMES - 1)
    fresh = last.model_extra["hermes"]
    assert (fresh["as_of_ms"], fresh["frames_seen"]) == (newest_ms, FRAMES)
    assert fresh["age_ms"] == pytest.approx(time.time() * 1000 - newest_ms, abs=60_000)


async def test_an_answer_ends_before_a_stop_text(client: openai.AsyncOpenAI):
    free = await client.chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=12)
    text = free.choices[0].message.content
    stop = text[len(text) // 2 :][:3]
    for stops in (stop, ["never said", stop]):
        completion = await client.chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=12, stop=stops)
        assert completion.choices[0].message.content == text[: text.find(stop)]
        assert completion.choices[0].finish_reason == "stop"


async def test_a_small_nucleus_leaves_nothing_but_the_likeliest(client: openai.AsyncOpenAI):
    options = {"model": MODEL, "messages": MESSAGES, "max_tokens": 6}
    greedy = await client.chat.completions.create(**options)
    sampled = await client.chat.completions.create(**options, temperature=2, top_p=0)
    assert sampled.choices[0].message == greedy.choices[0].message


NEUTRAL = {
    "n": 1,
    "top_p": 1,
    "stop": None,
    "presence_penalty": 0,
    "frequency_penalty": 0.0,
    "logit_bias": {},
    "logprobs": False,
    "response_format": {"type": "text"},
    "tools": [],
    "tool_choice": "none",
    "modalities": ["text"],
    "store": False,
    "max_tokens": 5,
    "seed": -1,
}


async def test_what_asks_for_nothing_changes_nothing(client: openai.AsyncOpenAI):
    plain = await client.chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=5)
    completion = await client.chat.completions.create(model=MODEL, messages=MESSAGES, **NEUTRAL)
    assert completion.choices == plain.choices
    assert completion.model_extra["warnings"] == []


async def test_what_cannot_hurt_is_ignored_and_the_answer_says_so(client: openai.AsyncOpenAI):
    late = {"role": "system", "content": "what did you see ?"}
    completion = await client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "name": "ann", "content": "who came ?"}, late, *MESSAGES, late],
        max_tokens=2,
        frequency_penalty=0.5,
        user="ann",
        metadata={"ticket": "7"},
        store=True,
        reasoning_effort="low",
        extra_body={"unheard_of": 1},
    )
    named = {warning.partition(":")[0] for warning in completion.model_extra["warnings"]}
    assert named == {
        *("frequency_penalty", "user", "metadata", "store", "reasoning_effort", "unheard_of"),
        *("messages.0.name", "messages.1", "messages.3"),
    }


async def test_a_model_is_found_by_its_name(client: openai.AsyncOpenAI):
    assert (await client.models.retrieve(MODEL)).id == MODEL
    with pytest.raises(openai.NotFoundError, match="nobody"):
        await client.models.retrieve("stream/nobody")


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
        ({"top_p": 1.5}, "top_p: "),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools: "),
        ({"tool_choice": "required"}, "tool_choice: "),
        ({"response_format": {"type": "json_object"}}, "response_format: "),
        ({"logprobs": True}, "logprobs: "),
        ({"logit_bias": {"5": 100}}, "logit_bias: "),
        ({"messages": [{"role": "tool", "content": "x", "tool_call_id": "1"}, *MESSAGES]}, "messages.0.role: "),
        (
            {"messages": [{"role": "assistant", "content": "x", "tool_calls": [{"id": "1"}]}, *MESSAGES]},
            "messages.0.tool_calls: ",
        ),
        ({"messages": []}, "messages: "),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "role user"),
        ({"messages": [{"role": "system", "content": "x"}]}, "role user"),
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
