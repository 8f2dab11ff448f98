"""What processes park in one directory: each its own, and nothing of one that has ended."""

import signal
import subprocess
import sys
from pathlib import Path

from hermes_ray.engine.residency.spill import SpillDirectory
from tests.patience import LIMIT_S
from tests.unit.engine.conftest import parked_files

_PARKS = """
import sys, time
from pathlib import Path
from hermes_ray.engine.residency.spill import SpillDirectory
SpillDirectory(Path(sys.argv[1])).path("stream").write_bytes(b"theirs")
print("parked", flush=True)
time.sleep(3600)
"""


def test_another_process_keeps_its_files_while_it_lives_and_no_longer(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", _PARKS, tmp_path], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "parked\n"
        mine = SpillDirectory(tmp_path)
        mine.path("stream").write_bytes(b"mine")  # the same stream, which has moved
        assert sorted(path.read_bytes() for path in parked_files(tmp_path)) == [b"mine", b"theirs"]
        other.send_signal(signal.SIGKILL)
        other.wait(LIMIT_S)
    SpillDirectory(tmp_path)
    assert [path.read_bytes() for path in parked_files(tmp_path)] == [b"mine"]
    mine.close()
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_made_before_something_is_parked(tmp_path: Path) -> None:
    SpillDirectory(tmp_path / "parked").close()
    assert list(tmp_path.iterdir()) == []
