"""A file of keys for an API."""

from datetime import UTC, datetime
from pathlib import Path

from hermes_ray.api.keys.key_file import KeyFile, new_key, write_keys
from hermes_ray.api.keys.scopes import Scope


def make_keys(file: Path, *wanted: tuple[list[Scope], list[str]]) -> list[str]:
    """Write keys with those scopes for those streams; return their secrets."""
    made = [
        new_key(f"key-{number}", scopes, globs, datetime.now(UTC), None)
        for number, (scopes, globs) in enumerate(wanted)
    ]
    write_keys(file, KeyFile(keys=tuple(key for key, _ in made)))
    return [secret for _, secret in made]
