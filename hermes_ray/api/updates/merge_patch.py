"""JSON merge patches (RFC 7396) between two states of an object."""

from collections.abc import Mapping
from typing import Any

Members = Mapping[str, Any]


def merge_patch(before: Members, after: Members) -> dict[str, Any]:
    """What to apply to ``before`` to get ``after``; empty if they are equal.

    Neither may hold null, which in a patch removes a member.
    """
    patch: dict[str, Any] = {name: None for name in before if name not in after}
    for name, value in after.items():
        was = before.get(name)
        if was is value or was == value:
            continue
        if isinstance(was, Mapping) and isinstance(value, Mapping):
            patch[name] = merge_patch(was, value)
        else:
            patch[name] = value
    return patch
