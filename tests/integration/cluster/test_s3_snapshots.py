"""Snapshots in a real object store that speaks S3, through s3fs, written and read by processes of their own."""

import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
import s3fs

from hermes_ray.cli.running.checks import check_snapshots
from hermes_ray.cluster.control.generations.generation_store import GenerationStore
from hermes_ray.cluster.control.generations.tenure import Tenure, Terms
from hermes_ray.cluster.store.snapshot_store import SnapshotName, SnapshotStore
from hermes_ray.cluster.wire.tenure_phase import TenurePhase
from hermes_ray.config import MemorySettings, SnapshotSettings
from hermes_ray.engine import StreamEngine
from hermes_ray.errors import SnapshotError
from hermes_ray.observability.stats import SnapshotCounts
from tests.object_store import ObjectStore
from tests.patience import LIMIT_S
from tests.unit.cluster.memory_worker.streams.test_stream_keeper import keeper_of, watch_and_save

pytestmark = pytest.mark.integration

BUCKET = "snapshots"
PART_BYTES = 50 * 1024 * 1024
"""Beyond it s3fs uploads in several parts."""


@pytest.fixture
def prefix() -> str:
    return uuid4().hex


@pytest.fixture
def settings(object_store: ObjectStore, prefix: str) -> SnapshotSettings:
    return SnapshotSettings(url=f"s3://{BUCKET}/{prefix}")


def written_elsewhere(settings: SnapshotSettings, sequence: int, size: int) -> subprocess.Popen[bytes]:
    """Another process writes a snapshot of so many bytes of the stream ``cam``."""
    program = (
        "from hermes_ray.cluster.store.snapshot_store import *; from hermes_ray.config import SnapshotSettings;"
        f"SnapshotStore(SnapshotSettings(url='{settings.url}')).put('cam', SnapshotName(1, {sequence}), bytes({size}))"
    )
    return subprocess.Popen([sys.executable, "-c", program])


def test_the_newest_are_kept_listed_and_read_and_the_store_itself_agrees(
    settings: SnapshotSettings, object_store: ObjectStore, prefix: str
) -> None:
    store = SnapshotStore(settings)
    assert (store.streams(), store.names("cam")) == ([], [])
    for sequence in range(9, 13):
        store.put("cam", SnapshotName(5, sequence), b"%d" % sequence)
        store.prune("cam")
    store.put("..", SnapshotName(1, 1), b"x")
    assert store.names("cam") == [SnapshotName(5, 12), SnapshotName(5, 11)]
    assert store.read("cam", SnapshotName(5, 11)) == b"11"
    assert store.streams() == ["..", "cam"]
    listed = object_store.client().list_objects_v2(Bucket=BUCKET, Prefix=f"{prefix}/stream=cam/")["Contents"]
    names = [f"{prefix}/stream=cam/00000000000000000005-00000000{sequence:02}.snapshot" for sequence in (11, 12)]
    assert [entry["Key"] for entry in listed] == names
    assert store.expire(3600) == []
    assert store.expire(-60) == ["..", "cam"]
    assert store.streams() == []


def test_what_another_process_writes_and_removes_is_seen_at_once(settings: SnapshotSettings) -> None:
    store = SnapshotStore(settings)
    assert (store.streams(), store.names("cam")) == ([], [])  # so that a listing kept from here would be stale
    assert written_elsewhere(settings, 1, 10).wait(LIMIT_S) == 0
    assert (store.streams(), store.names("cam")) == (["cam"], [SnapshotName(1, 1)])
    assert written_elsewhere(settings, 2, 20).wait(LIMIT_S) == 0
    assert store.names("cam")[0] == SnapshotName(1, 2)
    assert store.read("cam", SnapshotName(1, 2)) == bytes(20)


def test_a_process_that_dies_while_it_uploads_leaves_no_half_snapshot(
    settings: SnapshotSettings, object_store: ObjectStore, prefix: str
) -> None:
    store = SnapshotStore(settings)
    whole = bytes(PART_BYTES + 1000)
    store.put("cam", SnapshotName(1, 1), whole)
    assert store.read("cam", SnapshotName(1, 1)) == whole
    writer = written_elsewhere(settings, 2, 8 * PART_BYTES)
    s3, deadline_s = object_store.client(), time.monotonic() + LIMIT_S
    while not s3.list_multipart_uploads(Bucket=BUCKET, Prefix=prefix).get("Uploads"):
        assert writer.poll() is None and time.monotonic() < deadline_s, "the upload was not seen"
    writer.kill()
    assert writer.wait() != 0
    assert store.names("cam") == [SnapshotName(1, 1)]
    store.put("cam", SnapshotName(2, 1), b"next")
    assert store.names("cam")[0] == SnapshotName(2, 1)


@pytest.mark.parametrize("operation", ["streams", "names", "put", "check"])
def test_a_bucket_that_is_not_there_is_no_empty_store(object_store: ObjectStore, operation: str) -> None:
    store = SnapshotStore(SnapshotSettings(url="s3://no-such-bucket/deep"))
    arguments: dict[str, tuple[Any, ...]] = {"names": ("cam",), "put": ("cam", SnapshotName(1, 1), b"x")}
    with pytest.raises(SnapshotError, match=r"bucket does not exist.*check snapshots\.url"):
        getattr(store, operation)(*arguments.get(operation, ()))


@pytest.fixture
def without_instances(object_store: ObjectStore) -> Iterator[None]:
    """fsspec gives out the same client again for the same URL; these tests change what it was made of."""
    s3fs.S3FileSystem.clear_instance_cache()
    yield
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.mark.parametrize(
    ("key", "said"),
    [("test-key", "signature we calculated does not match"), ("nobody", "access key ID you provided does not exist")],
)
def test_wrong_credentials_are_named_with_the_setting(
    settings: SnapshotSettings, without_instances: None, monkeypatch: pytest.MonkeyPatch, key: str, said: str
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    store = SnapshotStore(settings)
    for attempt in (store.streams, store.check, lambda: store.names("cam")):
        with pytest.raises(SnapshotError, match=rf"(?s){said}.*snapshots\.url, its endpoint and credentials"):
            attempt()


def test_the_doctor_tells_a_store_that_takes_snapshots_from_one_that_does_not(
    settings: SnapshotSettings, object_store: ObjectStore, prefix: str
) -> None:
    assert check_snapshots(settings).ok
    assert "Contents" not in object_store.client().list_objects_v2(Bucket=BUCKET, Prefix=prefix)
    assert not check_snapshots(SnapshotSettings(url="s3://no-such-bucket/deep")).ok


def small_engine() -> StreamEngine:
    return StreamEngine.from_pretrained(
        "hermes-tiny-random", memory=MemorySettings(budget_tokens=64, slots=2), device="cpu"
    )


def test_a_damaged_newest_object_costs_its_frames_and_no_more(
    settings: SnapshotSettings, object_store: ObjectStore, prefix: str
) -> None:
    keeper, successor = keeper_of(str(settings.url)), keeper_of(str(settings.url))
    with small_engine() as engine, small_engine() as fresh:
        for offset in range(3):
            watch_and_save(engine, keeper, offset)
        s3 = object_store.client()
        objects = s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{prefix}/stream=cam/")["Contents"]
        assert len(objects) == 2
        newest = objects[-1]["Key"]
        data = s3.get_object(Bucket=BUCKET, Key=newest)["Body"].read()
        s3.put_object(Bucket=BUCKET, Key=newest, Body=data[:-3])
        assert successor.restore(fresh, "cam")
        assert successor.counts() == SnapshotCounts(restored=1, refused=1)
        assert successor.resumption("cam").positions[0].offset == 1
        assert fresh.stream_stats("cam").frames_seen == 2


def test_of_many_processes_that_claim_a_generation_at_once_one_gets_it(settings: SnapshotSettings) -> None:
    program = (
        "import sys; from hermes_ray.cluster.control.generations.generation_store import GenerationStore;"
        f"store = GenerationStore('{settings.url}'); store.look(); print('ready', flush=True); sys.stdin.readline();"
        "print(store.claim(1, sys.argv[1]))"
    )
    claiming = [
        subprocess.Popen(
            [sys.executable, "-c", program, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for name in "abc"
    ]
    for process in claiming:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    said = [process.communicate("go\n", timeout=LIMIT_S)[0].strip() for process in claiming]
    assert sorted(said) == ["False", "False", "True"]
    assert GenerationStore(str(settings.url)).look().claims == {1: "abc"[said.index("True")]}


def test_one_cluster_follows_another(settings: SnapshotSettings) -> None:
    terms = Terms(commit_s=60, stale_after_s=90)
    old, new = (Tenure(GenerationStore(str(settings.url)), name, terms) for name in ("old", "new"))
    steps = (
        (old, TenurePhase.HOLDING),
        (new, TenurePhase.CLAIMED),
        (old, TenurePhase.HANDING_OVER),
        (new, TenurePhase.CLAIMED),
        (old, TenurePhase.HANDED_OVER),
        (new, TenurePhase.HOLDING),
        (old, TenurePhase.OVER),
    )
    for cluster, expected in steps:
        cluster.step(can_serve=True, serves=True, has_let_go=True)
        assert cluster.phase is expected
