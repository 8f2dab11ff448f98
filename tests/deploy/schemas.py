"""Kubernetes objects against the schemas of Kubernetes and of CustomResourceDefinitions."""

import functools
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate.utils
import yaml

KUBERNETES = "1.34"
_BUILT_IN = ("v1", "apps/v1", "batch/v1", "policy/v1", "networking.k8s.io/v1")

# The library reads a file of several megabytes for every object.
kubernetes_validate.utils.schema_contents = functools.cache(kubernetes_validate.utils.schema_contents)


def is_built_in(item: dict[str, Any]) -> bool:
    return item["apiVersion"] in _BUILT_IN


def check_built_in(item: dict[str, Any]) -> None:
    """Raise unless Kubernetes would accept the object; unknown fields are refused too."""
    kubernetes_validate.utils.validate(item, KUBERNETES, strict=True)


class CustomSchemas:
    """Schemas out of CustomResourceDefinition files."""

    def __init__(self, directory: Path) -> None:
        self._schemas: dict[tuple[str, str], dict[str, Any]] = {}
        for path in sorted(directory.glob("*.yaml")):
            definition = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)["spec"]
            for version in definition["versions"]:
                kind = f"{definition['group']}/{version['name']}", definition["names"]["kind"]
                self._schemas[kind] = version["schema"]["openAPIV3Schema"]

    def __contains__(self, item: dict[str, Any]) -> bool:
        return (item["apiVersion"], item["kind"]) in self._schemas

    def check(self, item: dict[str, Any]) -> None:
        schema = self._schemas[item["apiVersion"], item["kind"]]
        envelope = {"apiVersion", "kind", "metadata"}
        without_envelope = {key: value for key, value in item.items() if key not in envelope}
        jsonschema.Draft202012Validator(_closed(schema) | {"required": ["spec"]}).validate(without_envelope)


def _closed(schema: Any) -> Any:
    """The schema without room for unknown fields, which an API server would silently drop."""
    if isinstance(schema, list):
        return [_closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(part) for key, part in schema.items()}
    open_ended = "additionalProperties" in schema or schema.get("x-kubernetes-preserve-unknown-fields")
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object" and not open_ended:
        closed["additionalProperties"] = False
    return closed
