"""The OpenAI-compatible routes through OpenAI's client for JavaScript."""

import asyncio
import json
import shutil
from pathlib import Path

from hermes_ray.engine import Question, StreamEngine
from tests.unit.api.conftest import FRAMES, STREAM

PROGRAM = Path(__file__).parents[3] / "javascript"
MODEL = f"stream/{STREAM}"


async def test_a_javascript_program_talks_to_a_stream(url: str, engine: StreamEngine):
    node = shutil.which("node")
    assert node, "install node (Debian: nodejs and npm)"
    assert (PROGRAM / "node_modules" / "openai").is_dir(), "run `npm install` in tests/javascript, or `make test`"
    process = await asyncio.create_subprocess_exec(
        node, "chat.js", f"{url}/v1", MODEL, cwd=PROGRAM, stdout=asyncio.subprocess.PIPE
    )
    heard = json.loads((await process.communicate())[0])

    asked = Question("What is there?", 6, history=(("who came ?", "a dog ."),), instructions="what did you see ?")
    expected = engine.ask(STREAM, asked).result(30)
    whole, streamed = heard["whole"], heard["streamed"]
    assert heard["models"] == [MODEL]
    assert whole["choices"][0]["message"]["content"] == streamed["text"] == expected.text
    assert whole["choices"][0]["finish_reason"] == streamed["finish"] == expected.finish_reason
    assert whole["usage"] == streamed["usage"]
    assert whole["usage"]["completion_tokens"] == expected.completion_tokens
    assert whole["hermes"]["frames_seen"] == FRAMES
    assert whole["warnings"] == []
    assert heard["errors"] == [
        {"name": "NotFoundError", "status": 404, "code": "unknown-stream", "param": None},
        {"name": "UnprocessableEntityError", "status": 422, "code": "invalid-request", "param": "response_format"},
    ]
