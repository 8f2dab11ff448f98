"""Reads a file of cameras. What is wrong is told with its line, its field and what to write instead."""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from hermes_ray.cli.cameras.file import CameraDefaults, CameraEntry, CamerasFile
from hermes_ray.errors import ConfigError, InvalidStreamId
from hermes_ray.transport.message import validate_stream_id

_LIKENESS = 0.6
_HOW_TO_NAME = "no stream id; use 1 to 128 of A-Z a-z 0-9 . _ -"
_EXAMPLE = "write, for example, cameras: {front-door: {source: sim://7}}"


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
    if place and place[-1] == "[key]":
        place = place[:-1]
        said = _HOW_TO_NAME if place[:1] == ("cameras",) and len(place) == 2 else "no name; use A-Z a-z 0-9 and _"
    elif kind == "extra_forbidden":
        said = _unknown(place)
    elif kind in ("too_long", "tuple_type") or (kind == "missing" and isinstance(place[-1], int)):
        place = place[:-1] if kind == "missing" else place
        said = "write four shares of the picture: [left, top, right, bottom], such as [0.5, 0, 1, 1]"
    elif kind == "missing":
        said = "is missing"
        said += "; name what to watch, such as rtsp://HOST/PATH" if place[-1] == "source" else f"; {_EXAMPLE}"
    elif kind == "string_type":
        said = "must be text; put it in quotes"
    elif kind in ("model_type", "dict_type"):
        said = f"must hold fields; {_EXAMPLE}"
    return f"line {_line(root, place)}: {'.'.join(map(str, place))}: {said.removeprefix('Value error, ')}"


def _unknown(place: Sequence[int | str]) -> str:
    models = {1: CamerasFile, 2: CameraDefaults, 3: CameraEntry}
    fields = list(models[len(place)].model_fields)
    nearest = get_close_matches(str(place[-1]), fields, 1, _LIKENESS)
    return f"no such field; did you mean {nearest[0]}?" if nearest else f"no such field; there are {', '.join(fields)}"


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
