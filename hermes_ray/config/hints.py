"""What a wrong key was probably meant to be."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from pydantic import BaseModel

from hermes_ray.config.tree import ENV_DELIMITER, ENV_PREFIX, Settings

RENAMED: Mapping[str, str] = {}
"""Keys of earlier releases by dotted path, and what they are called now."""

_LIKENESS = 0.6
"""Least :class:`difflib.SequenceMatcher` ratio of a suggestion, 0 to 1."""


def unknown_key(path: str, renamed: Mapping[str, str] = RENAMED, *, from_environment: bool = False) -> str:
    """Say of a key that the tree does not have what it may have been meant to be.

    Args:
        path: the key as it was written, dotted: ``memory.slot``.
        renamed: new dotted paths by old ones.
        from_environment: it was a variable, so say how the right one is written.
    """
    if path in renamed:
        return f"was renamed {renamed[path]}{_as_variable(renamed[path], from_environment)}"
    nearest = _nearest(path)
    if nearest is not None:
        return f"no such setting; did you mean {nearest}?{_as_variable(nearest, from_environment)}"
    section = path.rpartition(".")[0]
    known = [key for key in _paths(Settings) if key.rpartition(".")[0] == section]
    place = f"{section} has" if section else "there are"
    return f"no such setting; {place} {', '.join(key.rpartition('.')[2] for key in known)}"


def variable_of(path: str) -> str:
    """The environment variable that sets a key: ``HERMES_MEMORY__SLOTS`` for ``memory.slots``."""
    return f"{ENV_PREFIX}{path.upper().replace('.', ENV_DELIMITER)}"


def _as_variable(path: str, wanted: bool) -> str:
    return f" ({variable_of(path)})" if wanted else ""


def _nearest(path: str) -> str | None:
    """The key that looks most like it; one of the same name in another section before any other."""
    paths = list(_paths(Settings))
    section, _, name = path.rpartition(".")
    # One underscore between levels, where a variable has two.
    joined = [key for key in paths if key.replace(".", "_") == path.replace(".", "_")]
    elsewhere = [key for key in paths if key.rpartition(".")[2] == name]
    siblings = {key.rpartition(".")[2]: key for key in paths if key.rpartition(".")[0] == section}
    for candidates in (
        joined if len(joined) == 1 else [],
        elsewhere if len(elsewhere) == 1 else [],
        [siblings[match] for match in get_close_matches(name, siblings, 1, _LIKENESS)],
        get_close_matches(path, paths, 1, _LIKENESS),
    ):
        if candidates:
            return candidates[0]
    return None


def _paths(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every section and field below a model, by dotted path."""
    for name, field in model.model_fields.items():
        yield f"{prefix}{name}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _paths(field.annotation, f"{prefix}{name}.")
