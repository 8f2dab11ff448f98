"""Cameras of a file while they run: each on its own, following the file. Real sources; messages end in a list."""

import random
import threading
import time
import urllib.request
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from hermes_ray.cli.cameras.camera import Camera, Publishing, State
from hermes_ray.cli.cameras.metrics import CameraCollector, serve_metrics
from hermes_ray.cli.cameras.sharding import WHOLE_FILE, Shard
from hermes_ray.cli.cameras.supervisor import Supervisor
from hermes_ray.cli.cameras.table import cameras_table
from hermes_ray.errors import BrokerUnavailable, ConfigError
from hermes_ray.video.codec import DecodeLimits, SegmentEncoder, decode
from hermes_ray.video.sources.cameras.backoff import Backoff
from tests.patience import LIMIT_S
from tests.terminal import lines_of, lines_with
from tests.unit.video.sources.rtsp_server import RtspCamera


class Inbox:
    """Confirms what it is sent, unless it is away."""

    def __init__(self) -> None:
        self.messages: dict[str, list] = {}
        self.is_away = False

    def send(self, message) -> Future:
        if self.is_away:
            raise BrokerUnavailable("no broker answers")
        self.messages.setdefault(message.stream_id, []).append(message)
        confirmed: Future = Future()
        confirmed.set_result(None)
        return confirmed

    def frames(self, name: str):
        return [
            frame
            for message in list(self.messages.get(name, ()))
            for frame in decode(message.payload, message.content_type, message.ts_ms, DecodeLimits())
        ]


class Running:
    """A file of cameras that is run."""

    def __init__(self, path, inbox: Inbox, shard: Shard) -> None:
        self.path, self.inbox = path, inbox
        shared = Publishing(inbox.send, path.parent, DecodeLimits(), 1_000_000)
        quick = random.Random(1)
        self.supervisor = Supervisor(
            path, lambda name, entry: Camera(name, entry, shared, Backoff(0.02, 0.05, quick)), shard
        )

    def status(self, name: str):
        return next(status for status in self.supervisor.statuses() if status.name == name)

    def until(self, condition) -> None:
        end_s = time.monotonic() + LIMIT_S
        pause = threading.Event()
        while not condition():
            assert time.monotonic() < end_s, self.supervisor.statuses()
            self.supervisor.tick()
            pause.wait(0.01)

    def until_published(self, name: str, frames: int) -> None:
        self.until(lambda: self.status(name).frames >= frames)


@pytest.fixture
def run(tmp_path):
    running = []

    def start(text: str, shard: Shard = WHOLE_FILE) -> Running:
        path = tmp_path / "cameras.yaml"
        path.write_text(text)
        running.append(Running(path, Inbox(), shard))
        return running[-1]

    yield start
    for each in running:
        each.inbox.is_away = False
        each.supervisor.close()


SIM = "{source: sim://7, fps: 30, encoding: jpeg}"


def test_a_broken_camera_is_tried_again_and_harms_no_other(run):
    running = run(
        f"cameras: {{good: {SIM}, broken: {{source: gone.mp4}}, locked: {{source: 'rtsp://u:${{NOWHERE}}@h/'}}}}"
    )
    running.until(lambda: running.status("broken").restarts >= 3)
    running.until_published("good", 5)
    assert "gone.mp4 is no file" in (running.status("broken").reason or "")
    assert "NOWHERE" in (running.status("locked").reason or "")
    assert (running.status("good").state, running.status("good").restarts) == (State.PUBLISHING, 0)


def test_a_camera_that_is_mended_is_published(run, tmp_path):
    running = run("cameras: {late: {source: pictures, fps: 30, encoding: jpeg}}")
    running.until(lambda: running.status("late").restarts >= 1)
    (tmp_path / "pictures").mkdir()
    Image.fromarray(np.full((32, 32, 3), 90, np.uint8)).save(tmp_path / "pictures" / "1.png")
    running.until(lambda: running.status("late").state is State.ENDED)
    assert len(running.inbox.frames("late")) == 1
    running.supervisor.tick()
    assert running.status("late").state is State.ENDED  # what is over is not started again


def test_cameras_come_go_and_change_without_a_restart_of_the_others(run):
    running = run(f"cameras: {{stays: {SIM}, goes: {SIM}, changes: {SIM}}}")
    for name in ("stays", "goes", "changes"):
        running.until_published(name, 2)
    running.path.write_text(
        f"cameras: {{stays: {SIM}, comes: {SIM}, changes: {{source: sim://8, fps: 30, max_side: 64}}}}"
    )
    running.until(lambda: running.supervisor.changes == 1)
    running.until_published("comes", 2)
    running.until_published("changes", 2)
    assert [status.name for status in running.supervisor.statuses()] == ["stays", "comes", "changes"]
    assert max(running.inbox.frames("changes")[-1].image.shape) == 64
    times = [frame.ts_ms for frame in running.inbox.frames("changes")]
    assert times == sorted(times)  # the former one had ended before the new one began
    assert [message.seq for message in running.inbox.messages["stays"]] == list(
        range(len(running.inbox.messages["stays"]))
    )
    gone = len(running.inbox.messages["goes"])
    running.until_published("stays", running.status("stays").frames + 5)
    assert len(running.inbox.messages["goes"]) == gone


def test_another_standing_question_restarts_no_camera(run):
    running = run(f"cameras: {{a: {SIM}}}")
    running.until_published("a", 2)
    camera = running.supervisor._cameras["a"]
    asked = SIM.replace("}", ", standing: [{name: person, question: is there a person}]}")
    running.path.write_text(f"cameras: {{a: {asked}}}")
    running.until(lambda: running.supervisor.changes == 1)
    running.until_published("a", running.status("a").frames + 3)
    assert running.supervisor._cameras["a"] is camera


def test_a_process_publishes_its_share_and_follows_it(run):
    running = run(f"cameras: {{front-door: {SIM}, yard: {SIM}}}", Shard(2, 3))
    running.until_published("yard", 2)
    running.path.write_text(f"cameras: {{front-door: {SIM}, yard: {SIM}, desk: {SIM}, film: {SIM}}}")
    running.until(lambda: running.supervisor.changes == 1)
    running.until_published("film", 2)
    assert [status.name for status in running.supervisor.statuses()] == ["yard", "film"]
    assert running.inbox.messages.keys() == {"yard", "film"}
    assert running.status("yard").restarts == 0


@pytest.mark.parametrize("broken", ["cameras: {a: {source: sim://1, fsp: 1}}", "cameras: [", None])
def test_a_broken_edit_is_told_and_the_cameras_go_on(run, broken):
    running = run(f"cameras: {{a: {SIM}}}")
    running.until_published("a", 1)
    if broken is None:
        running.path.unlink()
    else:
        running.path.write_text(broken)
    running.until(lambda: running.supervisor.file_error is not None)
    running.until_published("a", running.status("a").frames + 3)
    running.path.write_text(f"cameras: {{a: {SIM}, b: {SIM}}}")
    running.until(lambda: running.supervisor.file_error is None)
    running.until_published("b", 1)
    assert running.status("a").restarts == 0
    assert running.inbox.messages["a"][-1].seq > 0


def test_what_is_masked_and_cropped_does_not_leave_the_process(run, tmp_path):
    (tmp_path / "pictures").mkdir()
    Image.fromarray(np.full((64, 64, 3), 255, np.uint8)).save(tmp_path / "pictures" / "1.png")
    running = run("""
defaults: {masks: [[0.5, 0.5, 1, 1]]}
cameras: {door: {source: pictures, encoding: jpeg, crop: [0.5, 0, 1, 1]}}""")
    running.until(lambda: running.status("door").state is State.ENDED)
    (frame,) = running.inbox.frames("door")
    assert frame.image.shape == (64, 32, 3)
    assert frame.image[:28].min() > 240
    assert frame.image[36:].max() < 15


def test_a_camera_that_goes_away_is_told_and_comes_back_without_a_restart(run):
    segment = SegmentEncoder(64, 48, 20, "h264").encode([np.full((48, 64, 3), 90, np.uint8)] * 30)
    with RtspCamera(segment, fps=20) as camera:
        running = run(f"cameras: {{door: {{source: '{camera.url}', fps: 10, encoding: jpeg}}}}")
        running.until_published("door", 3)
        port = camera.port
    running.until(lambda: running.status("door").state is State.AWAY)
    published = running.status("door").frames
    with RtspCamera(segment, fps=20, port=port):
        running.until_published("door", published + 3)
        running.until(lambda: running.status("door").state is State.PUBLISHING)
    assert running.status("door").reconnects >= 1
    assert running.status("door").restarts == 0


def test_a_broker_that_is_away_is_waited_for_but_does_not_keep_cameras_from_ending(run):
    running = run(f"cameras: {{a: {SIM}}}")
    running.inbox.is_away = True
    running.until(lambda: running.status("a").state is State.NO_BROKER)
    running.inbox.is_away = False
    running.until(lambda: running.status("a").state is State.PUBLISHING)
    running.inbox.is_away = True
    running.until(lambda: running.status("a").state is State.NO_BROKER)
    camera = running.supervisor._cameras["a"]
    running.path.write_text("cameras: {}")
    running.until(lambda: not camera.is_running)


def test_prometheus_reads_how_every_camera_is(run):
    running = run(f"""
defaults: {{labels: {{site: north}}}}
cameras: {{good: {SIM}, "broken": {{source: gone.mp4}}}}""")
    running.until_published("good", 2)
    running.until(lambda: running.status("broken").restarts >= 1)
    close = serve_metrics(running.supervisor, "127.0.0.1", port := _free_port())
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        text = answer.read().decode()
    with pytest.raises(ConfigError, match="--metrics-port"):
        serve_metrics(running.supervisor, "127.0.0.1", port)
    close()
    seen = {
        (sample.name, sample.labels.get("camera"), sample.labels.get("reason")): sample
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert seen["hermes_camera_up", "good", None].value == 1
    assert seen["hermes_camera_up", "broken", None].value == 0
    assert seen["hermes_camera_frames_total", "good", None].value >= 2
    assert seen["hermes_camera_restarts_total", "broken", None].value >= 1
    assert seen["hermes_camera_info", "good", None].labels["label_site"] == "north"
    assert seen["hermes_camera_frames_left_out_total", "good", "damaged"].value == 0
    assert seen["hermes_cameras_file_valid", None, None].value == 1


def test_the_page_lists_every_metric_as_it_is_served(run):
    page = (Path(__file__).parents[4] / "docs" / "cameras.md").read_text()
    running = run("cameras: {}")
    served = list(CameraCollector(running.supervisor).collect())
    assert len(served) > 8
    for family in served:
        name = f"{family.name}_total" if family.type == "counter" else family.name
        assert f"| `{name}` | {family.type} | {family.documentation} |" in page


def test_the_table_fits_a_narrow_terminal(run):
    long = "x" * 100
    running = run(f"cameras: {{front-door-of-the-house: {SIM}, {long}: {SIM}, broken: {{source: gone.mp4}}}}")
    running.until(lambda: running.status("broken").state is State.FAILED)
    lines = lines_of(cameras_table(running.supervisor.statuses(), "line 3: wrong", 0.0))
    assert "3 cameras" in lines[0]
    assert lines_with("broken", lines)
    assert lines_with("failed", lines)
    assert "line 3: wrong" in " ".join(" ".join(lines).split())


def _free_port() -> int:
    import socket

    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]
