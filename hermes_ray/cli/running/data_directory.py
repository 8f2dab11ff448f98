"""Where a system on one machine remembers when it is not told: a directory of the user's."""

import fcntl
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from hermes_ray.cli.console.steps import Steps
from hermes_ray.cli.running.lifecycle import Lifecycle
from hermes_ray.config import LoadedSettings, Settings
from hermes_ray.errors import ConfigError

_SNAPSHOTS = "snapshots"
_LOCK = "lock"
_ONLY_ITS_OWNER = 0o700
"""The XDG specification's mode for what it lets programs create; snapshots hold pictures."""


def default_directory(environment: Mapping[str, str] = os.environ) -> Path:
    """``hermes-ray`` below the user's directory for state (XDG Base Directory Specification 0.8).

    Raises:
        ConfigError: the user has no home.
    """
    named = Path(environment.get("XDG_STATE_HOME", ""))
    if named.is_absolute():  # others are to be ignored, says the specification
        return named / "hermes-ray"
    try:
        return Path.home() / ".local" / "state" / "hermes-ray"
    except RuntimeError as error:
        raise ConfigError(
            "this user has no home directory to keep memories in; name a directory with --data"
        ) from error


def remembering(loaded: LoadedSettings, named: Path | None, lifecycle: Lifecycle, steps: Steps) -> Settings:
    """Keep snapshots in a directory of this machine, unless the settings say where they are kept.

    The directory is of use with another broker than the one before, and with one whose records are gone: a snapshot
    says which topic its offsets are of, and those of another one count for nothing.

    Args:
        loaded: the settings.
        named: the directory; ``None`` takes the user's own.
        lifecycle: keeps others from using the directory meanwhile.
        steps: says where it is.

    Returns:
        The settings with that directory, or as they were: with ``snapshots.url`` set, or on a Ray cluster that exists,
        whose nodes do not reach a directory of this machine.

    Raises:
        ConfigError: a directory is named and so is something that it contradicts, it cannot be used, or it is in use.
    """
    from hermes_ray.cluster.control.bringup.ray_address import chosen_address

    settings = loaded.settings
    address = chosen_address(settings.cluster, loaded.named_by("cluster.address"))
    is_told = loaded.sources["snapshots.url"] != "default"
    if named is None and (is_told or address is not None):
        return settings
    if is_told:
        raise ConfigError(f"--data: {loaded.named_by('snapshots.url')} names a place already; leave one of them out")
    if address is not None:
        raise ConfigError(
            f"--data: the nodes of the Ray cluster that {address.source} names do not reach a directory of this "
            "machine; set snapshots.url to a store that all of them reach"
        )
    directory = (default_directory() if named is None else named).expanduser().absolute()
    lifecycle.at_end(_lock(directory).close)
    steps.say(f"memories are kept in {directory}: a restart remembers")
    snapshots = settings.snapshots.model_copy(update={"url": str(directory / _SNAPSHOTS)})
    return settings.model_copy(update={"snapshots": snapshots})


def _lock(directory: Path) -> IO[str]:
    """Make the directory and take it; closing the file, or the end of this process, gives it back."""
    file: IO[str] | None = None
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=_ONLY_ITS_OWNER)
        file = (directory / _LOCK).open("a+")
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
    except BlockingIOError as error:
        assert file is not None
        with file:
            file.seek(0)
            owner = file.read().strip() or "unknown"
        raise ConfigError(
            f"{directory} is in use by another hermes up (process {owner}); end it, or name another one with --data"
        ) from error
    except OSError as error:
        raise ConfigError(
            f"memories cannot be kept in {directory}: {error.strerror}; name another directory with --data"
        ) from error
    return file
