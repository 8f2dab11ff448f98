"""A producer that shares no code with this package: kcat, over librdkafka."""

import re
import shutil
import subprocess
import time
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from hermes_ray.config import VideoSettings
from hermes_ray.transport.consumer import PartitionConsumer
from hermes_ray.transport.embedded import EmbeddedBroker
from hermes_ray.transport.message import FrameMessage
from hermes_ray.transport.topics import ensure_topics
from hermes_ray.video.codec import DecodeLimits, decode, encode_jpeg
from tests.integration.transport.handshake_relay import HandshakeRelay
from tests.patience import LIMIT_S

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def relay():
    relay = HandshakeRelay()
    with EmbeddedBroker(advertised=relay.address) as broker:
        relay.forward_to(broker.bootstrap_servers)
        yield relay
    relay.close()


@pytest.fixture
def settings_for_kcat(relay, kafka_settings):
    settings = kafka_settings.model_copy(update={"bootstrap_servers": relay.address})
    ensure_topics(settings)
    return settings


def kcat(settings, *arguments):
    program = shutil.which("kcat")
    assert program, "this test needs kcat: apt-get install kcat (https://github.com/edenhill/kcat)"
    command = [program, "-P", "-b", settings.bootstrap_servers, "-t", settings.frames_topic, *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert result.returncode == 0, f"kcat failed: {result.stderr}"


def read_one(settings):
    return read_records(settings, 1)[0]


def read_records(settings, count):
    records = []
    with PartitionConsumer(settings) as consumer:
        topic = settings.frames_topic
        consumer.assign({(topic, partition): 0 for partition in consumer.partitions_for(topic)})
        deadline = time.monotonic() + LIMIT_S
        while len(records) < count:
            assert time.monotonic() < deadline, f"{len(records)} records arrived in {LIMIT_S} s, not {count}"
            records += consumer.poll(0.5)
    return records


@pytest.fixture
def jpeg_file(tmp_path):
    image = np.random.default_rng(7).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    file = tmp_path / "frame.jpg"
    file.write_bytes(encode_jpeg(image))
    return file


def test_jpeg_published_by_kcat_is_read_with_all_its_headers(settings_for_kcat, jpeg_file):
    headers = ["content-type=image/jpeg", "ts=1760000000123", "seq=5", "hermes-version=1"]
    kcat(settings_for_kcat, "-k", "cam-1", *(part for header in headers for part in ("-H", header)), jpeg_file)
    message = FrameMessage.from_record(read_one(settings_for_kcat))
    assert message == FrameMessage("cam-1", jpeg_file.read_bytes(), "image/jpeg", 1760000000123, 5)


def test_key_and_content_type_are_enough_and_the_record_time_counts(settings_for_kcat, jpeg_file):
    before_ms = time.time() * 1000
    kcat(settings_for_kcat, "-k", "cam-1", "-H", "content-type=image/jpeg", jpeg_file)
    message = FrameMessage.from_record(read_one(settings_for_kcat))
    assert before_ms - 1000 <= message.ts_ms <= time.time() * 1000 + 1000


README = Path(__file__).parents[3] / "kafka" / "README.md"
RECIPES = re.findall(r"```sh\n(.*?)```", README.read_text(), re.DOTALL)
SNIPPETS = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_python_examples_of_the_readme_publish_a_valid_frame(snippet, kafka_settings, jpeg_file, monkeypatch):
    ensure_topics(kafka_settings)
    monkeypatch.chdir(jpeg_file.parent)
    monkeypatch.setenv("HERMES_KAFKA__BOOTSTRAP_SERVERS", kafka_settings.bootstrap_servers)
    monkeypatch.setenv("HERMES_KAFKA__FRAMES_TOPIC", kafka_settings.frames_topic)
    here = snippet.replace("localhost:9092", kafka_settings.bootstrap_servers)
    exec(here.replace("hermes.frames", kafka_settings.frames_topic), {})
    message = FrameMessage.from_record(read_one(kafka_settings))
    assert (message.stream_id, message.payload) == ("cam-1", jpeg_file.read_bytes())


def run_recipe(tool, settings, directory, **replaced):
    """Run the shell recipe of the README that begins with a tool, as it stands there but for addresses."""
    (recipe,) = (text for text in RECIPES if text.startswith(tool))
    for program in ("kcat", tool):
        assert shutil.which(program), f"this test needs {program}: apt-get install {program}"
    replaced |= {"localhost:9092": settings.bootstrap_servers, "hermes.frames": settings.frames_topic}
    for text, other in replaced.items():
        assert text in recipe
        recipe = recipe.replace(text, other)
    run = subprocess.run(
        ["bash", "-c", recipe], cwd=directory, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert run.returncode == 0, run.stderr


def test_kcat_recipe_of_the_readme_publishes_a_large_picture(settings_for_kcat, tmp_path):
    image = np.random.default_rng(7).integers(0, 255, (1200, 1600, 3), dtype=np.uint8)
    (tmp_path / "frame.jpg").write_bytes(encode_jpeg(image))
    settings = settings_for_kcat.model_copy(update={"max_record_bytes": 8 * 1024 * 1024})
    before_ms = time.time() * 1000
    run_recipe("kcat", settings, tmp_path)
    message = FrameMessage.from_record(read_one(settings))
    assert len(message.payload) > 1_000_000
    assert before_ms - 1 <= message.ts_ms <= time.time() * 1000


def test_ffmpeg_recipe_of_the_readme_publishes_every_frame_with_its_capture_time(settings_for_kcat, tmp_path):
    """A file played in real time stands for the camera: seven seconds, a keyframe every one and a half."""
    fps, seconds, keyframe_every_s = 10, 7, 1.5
    encoder = av.open(str(tmp_path / "camera.mp4"), "w")
    stream = encoder.add_stream("libx264", rate=fps, options={"g": str(round(fps * keyframe_every_s)), "bf": "0"})
    stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
    for number in range(fps * seconds):
        picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 3 * number, np.uint8), format="rgb24")
        encoder.mux(stream.encode(picture))
    encoder.mux(stream.encode())
    encoder.close()

    camera = {"-rtsp_transport tcp -i rtsp://camera/stream": "-re -i camera.mp4"}
    before_ms = time.time() * 1000
    run_recipe("ffmpeg", settings_for_kcat, tmp_path, **camera)

    messages = [FrameMessage.from_record(record) for record in read_records(settings_for_kcat, 3)]
    limits = DecodeLimits.from_settings(VideoSettings())
    frames = [frame for m in messages for frame in decode(m.payload, m.content_type, m.ts_ms, limits)]
    assert [round(float(frame.image.mean())) // 3 for frame in frames] == pytest.approx(range(70), abs=1)
    # The last segment is closed with the file, not by a keyframe, as soon as it is read: a frame early.
    began_ms = frames[0].ts_ms  # once ffmpeg runs
    assert before_ms - 700 < began_ms < before_ms + 20_000
    for number, frame in enumerate(frames):
        assert frame.ts_ms - began_ms == pytest.approx(1000 * number / fps, abs=700)
    assert all(later.ts_ms > earlier.ts_ms for earlier, later in pairwise(frames))
    assert not list(tmp_path.glob("seg-*"))
