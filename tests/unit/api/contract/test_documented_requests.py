"""What the documentation sends with curl is what the API has: path, method, and the fields of a body."""

import json
import re
from typing import Any
from urllib.parse import urlsplit

import httpx
import jsonschema
import pytest

from tests.documented import Command, commands

_OURS = re.compile(r"(http://)?(localhost|127\.0\.0\.1):8000/")
REQUESTS = [command for command in commands("curl") if any(_OURS.match(word) for word in command.words)]


def test_requests_are_found() -> None:
    assert len(REQUESTS) > 10


@pytest.mark.parametrize("command", REQUESTS, ids=lambda command: f"{command.page}: {command.words[-1][:40]}")
async def test_a_request_of_the_documentation_is_one_of_the_api(command: Command, http: httpx.AsyncClient) -> None:
    document: dict[str, Any] = (await http.get("/openapi.json")).json()
    (url,) = [word for word in command.words if _OURS.match(word)]
    path = urlsplit(url if "://" in url else f"http://{url}").path
    body = command.option("-d", "--data", "--data-binary")
    (method,) = command.option("-X") or (["post"] if body else ["get"])
    known = [template for template in document["paths"] if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path)]
    operations = [document["paths"][template].get(method.lower()) for template in known]
    assert any(operations), (method, path)
    if body and body[0].startswith("{"):
        (operation,) = [operation for operation in operations if operation]
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        whole = {**schema, "components": document["components"]}
        jsonschema.Draft202012Validator(whole).validate(json.loads(body[0]))
