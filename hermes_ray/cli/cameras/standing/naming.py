"""What a camera's question is called in the system, where names are everybody's, and who is said to keep it."""

import os
import re
import socket
from hashlib import sha256
from pathlib import Path

_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?")
"""As :class:`~hermes_ray.config.StandingDefinition` has it."""
_HEAD = 55
_MOST_OWNER = 256
_MARK = "cameras:"


def system_name(camera: str, question: str) -> str:
    """``CAMERA.QUESTION`` where that is a name, such as ``front-door.person``; else what is left of it and a hash.

    It must stay what it is: a question of another name is another question, which begins anew.

    Args:
        camera: its stream id.
        question: its name in the file.
    """
    plain = f"{camera}.{question}"
    if _NAME.fullmatch(plain):
        return plain
    head = ".".join(filter(None, [camera.lower().lstrip("._-"), question]))
    return f"{head[:_HEAD]}-{sha256(plain.encode()).hexdigest()[:8]}"


def owner_of(name: str | None, path: Path) -> str:
    """Who keeps the questions, as the system is told.

    Args:
        name: what the user calls the file; ``None``: it is known by this machine and its path.
        path: of the file.
    """
    # Not what a link leads to: Kubernetes brings each edit under another name behind it.
    full = os.fsencode(path.parent.resolve() / path.name).decode(errors="replace")
    owner = f"{_MARK}{socket.gethostname()}:{full}" if name is None else f"{_MARK}{name}"
    return owner if len(owner) <= _MOST_OWNER else f"{_MARK}{sha256(owner.encode()).hexdigest()}"


def is_of_a_file(owner: str | None) -> bool:
    """Whether it is a file of cameras that keeps a question."""
    return owner is not None and owner.startswith(_MARK)
