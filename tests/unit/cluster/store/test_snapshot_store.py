import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hermes_ray.cluster.store.snapshot_store import SnapshotName, SnapshotStore
from hermes_ray.config import SnapshotSettings
from hermes_ray.errors import ConfigError, SnapshotError
from tests.unit.cluster.store.faulty_store import FaultyFileSystem, ForeignError, on

DAY_S = 86_400


@pytest.fixture(params=["directory", "object store"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> SnapshotStore:
    url = str(tmp_path / "deep" / "snapshots") if request.param == "directory" else f"memory://{tmp_path.name}"
    return SnapshotStore(SnapshotSettings(url=url))


def test_the_newest_come_first_and_older_ones_make_way(store: SnapshotStore) -> None:
    for sequence in range(9, 13):  # 9 and 10: not by text
        store.put("cam", SnapshotName(5, sequence), b"%d" % sequence)
        store.prune("cam")
    assert store.names("cam") == [SnapshotName(5, 12), SnapshotName(5, 11)]
    assert store.read("cam", SnapshotName(5, 11)) == b"11"


def test_what_a_former_owner_writes_late_is_never_the_newest(store: SnapshotStore) -> None:
    store.put("cam", SnapshotName(7, 1), b"present")
    store.put("cam", SnapshotName(6, 99), b"former")
    assert store.names("cam")[0] == SnapshotName(7, 1)


@pytest.mark.parametrize("stream", ["..", ".", "cam", "a.b_c-d"])
def test_any_stream_id_has_a_place_of_its_own(store: SnapshotStore, stream: str) -> None:
    assert store.names(stream) == []
    store.put(stream, SnapshotName(1, 1), b"x")
    assert store.streams() == [stream]


def test_a_file_that_was_not_finished_is_no_snapshot(tmp_path: Path) -> None:
    store = SnapshotStore(SnapshotSettings(url=str(tmp_path)))
    store.put("cam", SnapshotName(1, 1), b"whole")
    (tmp_path / "stream=cam" / f"{SnapshotName(1, 2)}.part").write_bytes(b"ha")
    assert store.names("cam") == [SnapshotName(1, 1)]


def test_a_store_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SnapshotError, match="writing a snapshot of stream 'cam'"):
        SnapshotStore(SnapshotSettings(url=str(tmp_path / "file"))).put("cam", SnapshotName(1, 1), b"x")


def test_a_snapshot_that_is_gone_is_a_typed_error(store: SnapshotStore) -> None:
    with pytest.raises(SnapshotError):
        store.read("cam", SnapshotName(1, 1))


def test_a_url_that_no_driver_reads_is_a_wrong_setting() -> None:
    with pytest.raises(ConfigError, match="no-such-store"):
        SnapshotStore(SnapshotSettings(url="no-such-store://x"))


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """A disk that is full after so many bytes, for all files of this process."""
    before, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, most))


def test_a_full_disk_keeps_the_older_snapshot_and_no_half_of_the_new_one(tmp_path: Path) -> None:
    store = SnapshotStore(SnapshotSettings(url=str(tmp_path)))
    store.put("cam", SnapshotName(1, 1), b"older")
    with no_file_larger_than(4096), pytest.raises(SnapshotError, match="writing a snapshot of stream 'cam'"):
        store.put("cam", SnapshotName(1, 2), bytes(10_000))
    assert [file.name for file in (tmp_path / "stream=cam").iterdir()] == [str(SnapshotName(1, 1))]
    store.put("cam", SnapshotName(1, 3), bytes(10_000))  # there is room again
    assert store.names("cam")[0] == SnapshotName(1, 3)


def test_what_a_killed_process_left_half_written_is_cleared_away_by_a_later_write(tmp_path: Path) -> None:
    store = SnapshotStore(SnapshotSettings(url=str(tmp_path)))
    store.put("cam", SnapshotName(1, 1), b"whole")
    left = tmp_path / "stream=cam" / f"{SnapshotName(1, 2)}.part"
    left.write_bytes(b"ha")
    long_ago_s = time.time() - 2 * 3600
    os.utime(left, times=(long_ago_s, long_ago_s))
    store.put("cam", SnapshotName(2, 1), b"whole")
    assert {file.suffix for file in (tmp_path / "stream=cam").iterdir()} == {".snapshot"}


def test_what_another_cluster_is_just_writing_is_left_alone(tmp_path: Path) -> None:
    store = SnapshotStore(SnapshotSettings(url=str(tmp_path)))
    store.put("cam", SnapshotName(1, 1), b"whole")
    others = tmp_path / "stream=cam" / f"{SnapshotName(2, 1)}-of-another.part"
    others.write_bytes(b"ha")
    store.put("cam", SnapshotName(1, 2), b"whole")
    assert others.read_bytes() == b"ha"


FAULTS = [
    PermissionError("read-only"),
    TimeoutError("no answer"),
    ForeignError("NoCredentials"),
    NotImplementedError("not by this driver"),
]


@pytest.mark.parametrize("error", FAULTS, ids=lambda error: type(error).__name__)
def test_whatever_a_foreign_driver_raises_is_a_typed_error_that_says_what_was_being_done(error: Exception) -> None:
    store = SnapshotStore(SnapshotSettings(url="faulty://anything"))
    name = SnapshotName(1, 1)
    store.put("cam", name, b"x")
    attempts = {
        "write": lambda: store.put("cam", SnapshotName(1, 2), b"x"),
        "read": lambda: store.read("cam", name),
        "list": store.streams,
        "remove": lambda: store.expire(-DAY_S),
    }
    for operation, attempt in attempts.items():
        with FaultyFileSystem.failing(on(operation, error)), pytest.raises(SnapshotError, match=str(error)):
            attempt()
    assert store.read("cam", name) == b"x"


def age_all(store: SnapshotStore, root: Path, stream: str, days: float) -> None:
    """Make a stream's snapshots look as if written so long ago."""
    for name in store.names(stream):
        file = root / f"stream={stream}" / str(name)
        os.utime(file, times=(time.time() - days * DAY_S,) * 2)


def test_streams_without_a_snapshot_for_long_expire_and_leave_nothing(tmp_path: Path) -> None:
    store = SnapshotStore(SnapshotSettings(url=str(tmp_path)))
    for stream in ("gone", "alive"):
        store.put(stream, SnapshotName(1, 1), b"x")
        age_all(store, tmp_path, stream, days=31)
        store.put(stream, SnapshotName(1, 2), b"x")
    age_all(store, tmp_path, "gone", days=31)
    assert store.expire(30 * DAY_S) == ["gone"]
    assert store.streams() == ["alive"]
    assert len(store.names("alive")) == 2, "the newest counts"
    assert not (tmp_path / "stream=gone").exists()


def test_an_object_store_expires_streams_by_its_own_times(store: SnapshotStore) -> None:
    store.put("cam", SnapshotName(1, 1), b"x")
    assert store.expire(60) == []
    time.sleep(0.05)
    assert store.expire(0.01) == ["cam"]
    assert store.streams() == []
