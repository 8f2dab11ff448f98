"""What the OpenAPI document says about keys."""

from typing import Any

from hermes_ray.api.keys.scopes import Scope, needed_scope

_SCHEME = "key"
_UNAUTHORIZED = "401"
_STATUSES_OF_THE_GATE = (_UNAUTHORIZED, "403", "429")


def describe(document: dict[str, Any], *, keyed: bool) -> None:
    """Say of every operation which scope it needs, and of those that need none that the gate never refuses them.

    The scope stands in the security requirement, which OpenAPI 3.1 (section 4.8.30) allows for any scheme.

    Args:
        document: the OpenAPI document, changed in place.
        keyed: there are keys. Without them one may still be sent, which the empty requirement says.
    """
    scopes = ", ".join(f"`{scope.value}`" for scope in Scope)
    document["components"]["securitySchemes"] = {
        _SCHEME: {"type": "http", "scheme": "bearer", "description": f"An API key. Its scopes: {scopes}."}
    }
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if (needed := needed_scope(method.upper(), path)) is not None:
                operation["security"] = [{_SCHEME: [needed.value]}] if keyed else [{}, {_SCHEME: [needed.value]}]
                if not keyed:
                    operation["responses"].pop(_UNAUTHORIZED, None)
                continue
            for status in _STATUSES_OF_THE_GATE:
                operation["responses"].pop(status, None)
