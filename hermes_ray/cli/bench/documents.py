"""Where benchmarks leave their JSON."""

import json
from collections.abc import Mapping
from pathlib import Path

from hermes_ray.cli.console.exits import CommandFailed


def write_document(document: Mapping[str, object], path: Path) -> None:
    """Write a document to a file, whose directory is made if needed.

    Raises:
        CommandFailed: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise CommandFailed(f"cannot write {path}: {error}") from error
