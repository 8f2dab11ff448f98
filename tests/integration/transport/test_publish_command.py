"""``hermes publish`` against a real broker: what reaches the topic, and what the command says of it."""

import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from hermes_ray.cli.main import app
from hermes_ray.transport.consumer import PartitionConsumer
from hermes_ray.transport.message import FrameMessage
from hermes_ray.transport.topics import ensure_topics
from hermes_ray.video.codec import DecodeLimits, SegmentEncoder, decode
from tests.patience import LIMIT_S

pytestmark = pytest.mark.integration


@pytest.fixture
def settings(kafka_settings):
    ensure_topics(kafka_settings)
    return kafka_settings


@pytest.fixture
def hermes(settings, monkeypatch, root_logger_restored):
    for name in ("bootstrap_servers", "frames_topic", "dead_letters_topic", "max_record_bytes"):
        monkeypatch.setenv(f"HERMES_KAFKA__{name.upper()}", str(getattr(settings, name)))

    def run(*arguments, code=0, **environment):
        command = ["publish", "--stream", "cam", *map(str, arguments)]
        result = CliRunner().invoke(app, command, env={"COLUMNS": "200", **environment})
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        return result

    return run


@pytest.fixture
def timelapse(tmp_path) -> Path:
    """Six pictures, one every 20 s."""
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 255, (48, 64, 3), dtype=np.uint8) for _ in range(6)]
    path = tmp_path / "timelapse.mp4"
    path.write_bytes(SegmentEncoder(64, 48, 0.05).encode(pictures, [20_000 * index for index in range(6)]))
    return path


def capture_times(settings, limits: DecodeLimits | None = None) -> list[int]:
    """When the frames in the topic were taken, by a consumer that refuses what is beyond its limits."""
    times = []
    with PartitionConsumer(settings) as consumer:
        topic = settings.frames_topic
        consumer.assign({(topic, partition): 0 for partition in consumer.partitions_for(topic)})
        deadline = time.monotonic() + LIMIT_S
        while any(consumer.lag().values()):
            assert time.monotonic() < deadline, times
            for record in consumer.poll(0.5):
                message = FrameMessage.from_record(record)
                frames = decode(message.payload, message.content_type, message.ts_ms, limits or DecodeLimits())
                times += [frame.ts_ms for frame in frames]
    return times


@pytest.mark.parametrize("encoding", ["mp4", "h264", "jpeg"])
def test_every_frame_that_is_counted_is_one_that_a_consumer_takes(hermes, settings, timelapse, encoding):
    report = json.loads(hermes(timelapse, "--fast", "--json", "--encoding", encoding).stdout)
    times = capture_times(settings)
    assert [time_ms - times[0] for time_ms in times] == [20_000 * index for index in range(6)]
    assert (report["frames"], report["messages"]) == (6, 6)
    assert report["left_out"] == {"late": 0, "dropped": 0, "damaged": 0}


def test_the_settings_limits_bound_what_is_published(hermes, settings):
    report = json.loads(
        hermes(
            *("sim://7", "--seconds", "8", "--fast", "--json", "--segment-seconds", "30", "--max-side", "4096"),
            *("--set", "video.max_segment_seconds=2", "--set", "video.max_pixels=30000"),
        ).stdout
    )
    limits = DecodeLimits(max_seconds=2, max_pixels=30_000)
    assert report["frames"] == len(capture_times(settings, limits)) == 40


def test_segments_that_are_too_large_for_a_record_are_cut(hermes, settings, tmp_path):
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 255, (480, 640, 3), dtype=np.uint8) for _ in range(5)]
    path = tmp_path / "noise.mp4"
    path.write_bytes(SegmentEncoder(640, 480, 5).encode(noise))
    assert path.stat().st_size > settings.max_record_bytes
    report = json.loads(hermes(path, "--fast", "--json").stdout)
    assert report["messages"] > 1
    assert report["frames"] == len(capture_times(settings)) == 5


def test_nothing_usable_published_is_a_failure(hermes, settings, timelapse):
    said = hermes(timelapse, "--fast", "--set", "video.max_encoded_bytes=1024", "--max-side", "4096", code=1).output
    assert "media-too-large" in said
    assert "smaller pictures" in said
    assert capture_times(settings) == []


def test_capture_times_ahead_of_the_clock_are_pointed_out(hermes, timelapse):
    assert "ahead of the clock" in hermes(timelapse, "--fast").stderr


def test_a_source_may_be_named_by_a_file_or_a_variable(hermes, tmp_path, timelapse):
    named = tmp_path / "source"
    named.write_text(f"{timelapse}\n")
    assert json.loads(hermes("--source-file", named, "--fast", "--json").stdout)["frames"] == 6
    assert json.loads(hermes("--fast", "--json", HERMES_SOURCE=str(timelapse)).stdout)["frames"] == 6


@pytest.mark.parametrize("given", [["--source-file"], []], ids=["file", "variable"])
def test_a_password_in_a_refused_source_is_not_shown(hermes, tmp_path, given):
    source = "rtsp://admin:hun[ter2@[cam/live"
    named = tmp_path / "source"
    named.write_text(source)
    result = hermes(*given, *([named] if given else []), code=1, HERMES_SOURCE=source)
    assert "percent-encode" in result.output
    assert "ter2" not in result.output


def test_why_a_camera_is_not_connected_is_told_at_once(settings):
    with socket.socket() as bound:  # and not listening
        bound.bind(("127.0.0.1", 0))
        source = f"rtsp://admin:hunter2@127.0.0.1:{bound.getsockname()[1]}/live"
        command = [sys.executable, "-c", "from hermes_ray.cli.entry import run; run()"]
        command += ["publish", source, "--stream", "cam"]
        assignments = [f"kafka.{name}={getattr(settings, name)}" for name in ("bootstrap_servers", "frames_topic")]
        for assignment in assignments:
            command += ["--set", assignment]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            said = ""
            assert process.stderr is not None
            for line in process.stderr:
                said += line
                if "connection refused" in line:
                    break
            process.terminate()
            said += process.stderr.read()
    assert process.returncode == 143
    assert "connection refused" in said
    assert "process list" in said
    assert "hunter2" not in said
