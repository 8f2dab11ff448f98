"""The OpenAPI document: sound, complete, and true of what the API answers."""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema
import pytest
from fastapi.openapi.models import OpenAPI

from tests.unit.api.conftest import STREAM

OPERATIONS = {
    "getIndex": ("get", "/"),
    "getHealth": ("get", "/healthz"),
    "getReadiness": ("get", "/readyz"),
    "getActive": ("get", "/activez"),
    "getMetrics": ("get", "/metrics"),
    "listEvents": ("get", "/v1/events"),
    "getEvent": ("get", "/v1/events/{id}"),
    "getEventThumbnail": ("get", "/v1/events/{id}/thumbnails/{position}.jpg"),
    "listFailedDeliveries": ("get", "/v1/deliveries/failed"),
    "resendFailedDeliveries": ("post", "/v1/deliveries/failed/resend"),
    "listStreams": ("get", "/v1/streams"),
    "watchStreams": ("get", "/v1/updates"),
    "getStream": ("get", "/v1/streams/{id}"),
    "getMemoryMap": ("get", "/v1/streams/{id}/memory"),
    "getFrame": ("get", "/v1/streams/{id}/frames/{frame}.jpg"),
    "getLatestFrame": ("get", "/v1/streams/{id}/latest.jpg"),
    "resetStream": ("post", "/v1/streams/{id}/reset"),
    "listStandingQuestions": ("get", "/v1/standing-questions"),
    "addStandingQuestion": ("post", "/v1/standing-questions"),
    "getStandingQuestion": ("get", "/v1/standing-questions/{name}"),
    "replaceStandingQuestion": ("put", "/v1/standing-questions/{name}"),
    "muteStandingQuestion": ("patch", "/v1/standing-questions/{name}"),
    "removeStandingQuestion": ("delete", "/v1/standing-questions/{name}"),
    "configureStream": ("patch", "/v1/streams/{id}"),
    "exportStream": ("get", "/v1/streams/{id}/export"),
    "importStream": ("post", "/v1/streams/{id}/import"),
    "deleteStream": ("delete", "/v1/streams/{id}"),
    "listExamples": ("get", "/v1/streams/{id}/examples"),
    "askStream": ("post", "/v1/streams/{id}/query"),
    "askStreams": ("post", "/v1/query"),
    "listModels": ("get", "/v1/models"),
    "getModel": ("get", "/v1/models/{model}"),
    "createChatCompletion": ("post", "/v1/chat/completions"),
    "createResponse": ("post", "/v1/responses"),
    "listWorkers": ("get", "/v1/workers"),
    "drainWorker": ("post", "/v1/workers/{worker}/drain"),
    "endDrain": ("delete", "/v1/workers/{worker}/drain"),
    "getProblemKind": ("get", "/problems/{code}"),
}
QUERY = "/v1/streams/{id}/query"


@pytest.fixture
async def document(http: httpx.AsyncClient) -> dict[str, Any]:
    return (await http.get("/openapi.json")).json()


def nodes(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
    for child in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from nodes(child)


def assert_matches(document: dict[str, Any], schema: dict[str, Any], value: Any) -> None:
    jsonschema.Draft202012Validator({**schema, "components": document["components"]}).validate(value)


def test_the_document_has_the_form_that_openapi_prescribes(document: dict[str, Any]):
    OpenAPI.model_validate(document)
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_every_operation_says_what_it_does_and_belongs_to_a_group_that_says_what_it_is_for(document: dict[str, Any]):
    groups = {tag["name"] for tag in document["tags"] if tag["description"]}
    assert document["info"]["description"]
    for operations in document["paths"].values():
        for operation in operations.values():
            assert operation["summary"]
            assert operation["description"]
            assert set(operation["tags"]) <= groups
            assert all(response["description"] for response in operation["responses"].values())


def test_every_reference_leads_somewhere(document: dict[str, Any]):
    for node in nodes(document):
        if isinstance(reference := node.get("$ref"), str):
            target = document
            for part in reference.removeprefix("#/").split("/"):
                target = target[part]


def test_operation_ids_are_stable(document: dict[str, Any]):
    found = {
        operation["operationId"]: (method, path)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert found == OPERATIONS


def test_errors_are_documented_as_problems_and_nothing_else(document: dict[str, Any]):
    for operations in document["paths"].values():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    assert set(response["content"]) == {"application/problem+json"}
                    for example in response["content"]["application/problem+json"]["examples"].values():
                        assert_matches(document, {"$ref": "#/components/schemas/Problem"}, example["value"])
                        assert example["value"]["status"] == int(status)


def test_an_answer_is_documented_as_json_and_as_events(document: dict[str, Any]):
    for path in (QUERY, "/v1/chat/completions"):
        assert set(document["paths"][path]["post"]["responses"]["200"]["content"]) == {
            "application/json",
            "text/event-stream",
        }


def test_every_field_says_what_it_is(document: dict[str, Any]):
    for name, schema in document["components"]["schemas"].items():
        for field, definition in schema.get("properties", {}).items():
            assert definition.get("description"), f"{name}.{field}"


async def test_answers_are_as_documented(http: httpx.AsyncClient, document: dict[str, Any]):
    chat = {"model": f"stream/{STREAM}", "messages": [{"role": "user", "content": "q"}], "max_tokens": 2}
    requests = [
        ("get", path.format(id=STREAM, code="internal", model=f"stream/{STREAM}"), path, None)
        for method, path in OPERATIONS.values()
        if method == "get"
        and path not in ("/metrics", "/v1/updates")
        and not path.endswith((".jpg", "/export", "{name}"))  # no JSON, or none here
        if not path.startswith(("/v1/events", "/v1/deliveries"))  # an engine alone keeps none; test_contract.py does
    ]
    requests += [
        ("post", QUERY.replace("{id}", STREAM), QUERY, {"question": "q", "max_tokens": 2}),
        ("post", "/v1/query", "/v1/query", {"streams": [STREAM, "nobody"], "question": "q", "max_tokens": 2}),
        ("post", "/v1/chat/completions", "/v1/chat/completions", chat),
        ("post", "/v1/responses", "/v1/responses", {"model": chat["model"], "input": "q", "max_output_tokens": 2}),
        ("patch", f"/v1/streams/{STREAM}", "/v1/streams/{id}", {"labels": None}),
    ]
    for method, url, path, body in requests:
        response = await http.request(method, url, json=body)
        documented = document["paths"][path][method]["responses"][str(response.status_code)]
        assert_matches(document, documented["content"]["application/json"]["schema"], response.json())


async def test_import_and_delete_answer_as_documented(http: httpx.AsyncClient, document: dict[str, Any]):
    exported = (await http.get(f"/v1/streams/{STREAM}/export")).content
    imported = await http.post("/v1/streams/copy/import", content=exported)
    documented = document["paths"]["/v1/streams/{id}/import"]["post"]["responses"][str(imported.status_code)]
    assert_matches(document, documented["content"]["application/json"]["schema"], imported.json())
    deleted = await http.delete("/v1/streams/copy")
    assert "content" not in document["paths"]["/v1/streams/{id}"]["delete"]["responses"][str(deleted.status_code)]


@pytest.mark.parametrize(
    ("path", "content"),
    [
        (QUERY.replace("{id}", STREAM), b"{"),
        ("/v1/streams/nobody/query", b'{"question": "q"}'),
        (QUERY.replace("{id}", STREAM), b" " * 70_000),
        (QUERY.replace("{id}", STREAM), b"{}"),
        (QUERY.replace("{id}", STREAM), json.dumps({"question": "q", "timeout_s": 1e-6}).encode()),
    ],
)
async def test_problems_are_as_documented(http: httpx.AsyncClient, document: dict[str, Any], path: str, content: bytes):
    response = await http.post(path, content=content, headers={"content-type": "application/json"})
    documented = document["paths"][QUERY]["post"]["responses"][str(response.status_code)]["content"]
    assert response.json()["code"] in documented["application/problem+json"]["examples"]
    assert_matches(document, documented["application/problem+json"]["schema"], response.json())


async def test_the_documentation_page_is_served_without_another_host(http: httpx.AsyncClient):
    page = await http.get("/docs")
    assert "/openapi.json" in page.text
    assert page.headers["content-type"].startswith("text/html")
    parts = re.findall(r'(?:src|href)="\./([^"]+)"', page.text)
    assert {"docs/page.js", "docs/page.css", "openapi.json"} == set(parts)
    texts = [page.text]
    for part in parts:
        served = await http.get(f"/{part}")
        assert served.status_code == 200
        assert served.headers["content-type"].startswith(("text/javascript", "text/css", "application/json"))
        texts.append(served.text)
    assert not [text for text in texts[:-1] if re.search(r"https?://|['\"]//", text)]
    # Even if a script wanted to.
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy
