"""What a camera's source refers to instead of holding it: variables of the environment, and files."""

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from hermes_ray.errors import SourceError
from hermes_ray.video.sources.cameras.address import scheme_of, without_secrets
from hermes_ray.video.sources.cameras.webcam import is_webcam

_REFERENCE = re.compile(r"\$\$\{|\$\{([^{}]*)\}?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FILE = "file:"
_MAX_SECRET_BYTES = 64 * 1024


def check_references(source: str) -> str:
    """Return the source unchanged if what it refers to can be understood.

    Raises:
        ValueError: a reference is neither a variable's nor a file's, or has no end. Does not show the source.
    """
    for found in _REFERENCE.finditer(source):
        name = found[1]
        if name is None:
            continue
        is_file = name.startswith(_FILE) and name != _FILE
        if not found[0].endswith("}") or not (is_file or _VARIABLE.fullmatch(name)):
            raise ValueError("write a reference as ${NAME} or ${file:/PATH}, and a ${ that is none as $${")
    return source


def resolved(source: str, directory: Path, environment: Mapping[str, str]) -> str:
    """Return the source with what it refers to in place of the references; relative paths are of the directory.

    What stands before the ``@`` of an address, a user or a password, is percent-encoded: it may hold anything.

    Raises:
        SourceError: a variable is not set, or a file cannot be read. Names it and shows nothing of what any holds.
    """

    def value_of(found: re.Match[str]) -> str:
        name = found[1]
        if name is None:
            return "${"
        value = _from_file(directory / name[len(_FILE) :]) if name.startswith(_FILE) else environment.get(name)
        if not value:
            raise SourceError(f"the source refers to the variable {name}, which is not set; set it for this command")
        is_login = scheme_of(source) is not None and "@" in source[found.end() :]
        return quote(value, safe="") if is_login else value

    text = _REFERENCE.sub(value_of, source)
    if scheme_of(text) is not None or is_webcam(text):
        return text
    path = directory / text
    try:
        is_there = path.exists()
    except OSError as error:
        raise SourceError(f"{without_secrets(text)} cannot be looked at: {error.strerror}") from error
    if not is_there:
        raise SourceError(
            f"{without_secrets(text)} is no file or directory (a relative path is looked for in {directory}), and no "
            f"address that begins with rtsp://, http:// or sim://"
        )
    return str(path)


def _from_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            value = file.read(_MAX_SECRET_BYTES).decode().strip()
    except OSError as error:
        raise SourceError(f"the source refers to the file {path}, which cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise SourceError(f"the source refers to the file {path}, which is not UTF-8 text") from None
    if not value or "\n" in value:
        raise SourceError(f"the source refers to the file {path}, which must hold one line, the secret")
    return value
