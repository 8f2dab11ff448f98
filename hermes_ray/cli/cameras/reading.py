"""Reads a file of cameras. What is wrong is told with its line, its field and what to write instead."""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from hermes_ray.cli.cameras.file import ApiAddress, CameraDefaults, CameraEntry, CamerasFile
from hermes_ray.config import QuietTime, StandingDefinition
from hermes_ray.errors import ConfigError, InvalidStreamId
from hermes_ray.transport.message import validate_stream_id

_LIKENESS = 0.6
_HOW_TO_NAME = "no stream id; use 1 to 128 of A-Z a-z 0-9 . _ -"
_EXAMPLE = "write, for example, cameras: {front-door: {source: sim://7}}"
_ASKED = 'write, for example, standing: [{name: person, question: "is there a person ?"}]'
_QUIET = 'write, for example, quiet: [{begins: "22:00", ends: "06:00"}]'
_WRITTEN = {
    "url": "write it as http://HOST:8000, with no user and no password",
    "name": "use lower-case letters, digits, . _ and -, 64 at most",
}
_MISSING = {
    "source": "name what to watch, such as rtsp://HOST/PATH",
    "url": "name the HTTP API, such as http://HOST:8000",
    "name": _ASKED,
    "question": _ASKED,
    "begins": _QUIET,
    "ends": _QUIET,
}


def read_cameras(path: Path) -> CamerasFile:
    """Read the file.

    Raises:
        ConfigError: it cannot be read, or see :func:`parse_cameras`.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot read the file of cameras {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"the file of cameras {path} is not UTF-8 text") from error
    return parse_cameras(text, str(path))


def parse_cameras(text: str, name: str) -> CamerasFile:
    """Understand the text of a file of cameras.

    Args:
        text: YAML.
        name: of the file, for errors.

    Raises:
        ConfigError: it is no YAML, or fields are missing, unknown or wrong; names all of them, and shows no value.
    """
    node, content = _load(text, name)
    try:
        file = CamerasFile.model_validate(content)
        for stream_id in file.cameras:
            validate_stream_id(stream_id)
    except ValidationError as error:
        problems = [_problem(node, item["loc"], item["type"], item["msg"]) for item in error.errors()]
        raise ConfigError(f"{name}: " + "; ".join(problems)) from None  # whose text shows what is wrong: a password
    except InvalidStreamId as error:
        raise ConfigError(f"{name}: {error}") from error
    return file


def _load(text: str, name: str) -> tuple[yaml.Node, Any]:
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if not isinstance(node, yaml.MappingNode):
            raise ConfigError(f"{name} holds no cameras; {_EXAMPLE}")
        for line, key in _repeated_keys(node):
            raise ConfigError(f"{name}: line {line}: {key} is there twice; remove or rename one of them")
        return node, loader.construct_document(node)
    except yaml.MarkedYAMLError as error:  # only a part of its text, as the rest shows the line
        line = "" if error.problem_mark is None else f" line {error.problem_mark.line + 1}:"
        raise ConfigError(f"{name}:{line} no valid YAML: {error.problem}; put special values in quotes") from None
    except yaml.YAMLError:
        raise ConfigError(f"{name}: no valid YAML: it holds a character that YAML forbids") from None
    except RecursionError:
        raise ConfigError(f"{name}: it holds something that is part of itself, or is nested too deeply") from None
    finally:
        loader.dispose()


def _repeated_keys(node: yaml.Node) -> Iterator[tuple[int, str]]:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    yield key.start_mark.line + 1, key.value
                seen.add(key.value)
            yield from _repeated_keys(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated_keys(item)


def _problem(root: yaml.Node, place: Sequence[int | str], kind: str, said: str) -> str:
    field = next(iter(place[2 if place[:1] == ("cameras",) else 1 :]), None)
    is_region = field in ("crop", "masks")
    if place and place[-1] == "[key]":
        place = place[:-1]
        said = _HOW_TO_NAME if place[:1] == ("cameras",) and len(place) == 2 else "no name; use A-Z a-z 0-9 and _"
    elif kind == "extra_forbidden":
        said = _unknown(place)
    elif kind == "invalid_key":
        place = place[:-1]
        said = 'YAML takes a word such as on or yes for no name; put it in quotes, "on"'
    elif is_region and (kind in ("too_long", "tuple_type") or (kind == "missing" and isinstance(place[-1], int))):
        place = place[:-1] if kind == "missing" else place
        said = "write four shares of the picture: [left, top, right, bottom], such as [0.5, 0, 1, 1]"
    elif kind == "missing":
        said = f"is missing; {_MISSING.get(str(place[-1]), _EXAMPLE)}"
    elif kind == "tuple_type":
        said = f"must be a list; {_ASKED}" if place[-1] == "standing" else "must be a list, in square brackets"
    elif kind == "string_pattern_mismatch" and place[-1] in _WRITTEN:
        said = _WRITTEN[str(place[-1])]
    elif kind == "string_type":
        said = "must be text; put it in quotes"
    elif kind in ("model_type", "dict_type"):
        said = f"must hold fields; {_ASKED if field == 'standing' else _EXAMPLE}"
    where = f"{'.'.join(map(str, place))}: " if place else ""
    return f"line {_line(root, place)}: {where}{said.removeprefix('Value error, ')}"


def _unknown(place: Sequence[int | str]) -> str:
    model = _model_at(place[:-1])
    if model is StandingDefinition and place[-1] == "streams":
        return "no such field; a camera's questions are put to this camera, so leave it out"
    fields = list(model.model_fields)
    nearest = get_close_matches(str(place[-1]), fields, 1, _LIKENESS)
    return f"no such field; did you mean {nearest[0]}?" if nearest else f"no such field; there are {', '.join(fields)}"


def _model_at(place: Sequence[int | str]) -> type[BaseModel]:
    """What stands at a place, all of whose parts are known."""
    if place[-2:-1] == ("quiet",):
        return QuietTime
    if place[-2:-1] == ("standing",):
        return StandingDefinition
    known: dict[tuple[int | str, ...], type[BaseModel]] = {
        (): CamerasFile,
        ("defaults",): CameraDefaults,
        ("api",): ApiAddress,
    }
    return known.get(tuple(place), CameraEntry)


def _line(node: yaml.Node, place: Sequence[int | str]) -> int:
    """The line, from 1, of the innermost part of the place that the file has."""
    line = node.start_mark.line + 1
    for part in place:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == str(part)), None)
            if found is None:
                return line
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line
