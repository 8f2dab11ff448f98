from pathlib import Path

import pytest

from hermes_ray.cluster.snapshot_store import SnapshotName, SnapshotStore
from hermes_ray.config import SnapshotSettings
from hermes_ray.errors import ConfigError, SnapshotError


@pytest.fixture(params=["directory", "object store"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> SnapshotStore:
    url = str(tmp_path / "deep" / "snapshots") if request.param == "directory" else f"memory://{tmp_path.name}"
    return SnapshotStore(SnapshotSettings(url=url))


def test_the_newest_come_first_and_older_ones_make_way(store: SnapshotStore) -> None:
    for sequence in range(9, 13):  # 9 and 10: not by text
        store.put("cam", SnapshotName(5, sequence), b"%d" % sequence)
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
