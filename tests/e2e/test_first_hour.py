"""What docs/first-hour.md says, typed in an empty home directory: four kinds of cameras, answers, and a restart.

The restart is beside a Kafka that exists, with the other commands as an operator uses them: a system for both.
"""

import json
import os
import re
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hermes_ray.client import HermesClient
from hermes_ray.transport.embedded import EmbeddedBroker
from hermes_ray.video.codec import SegmentEncoder, encode_jpeg
from hermes_ray.video.sources.simulated import SimulatedCamera
from hermes_ray.video.world import QuestionWriter
from tests.e2e.runs import ASK_S, HERMES, Run
from tests.patience import LIMIT_S
from tests.service import free_ports
from tests.unit.video.sources.http_camera import Exchange, HttpCamera
from tests.unit.video.sources.rtsp_server import RtspCamera

pytestmark = pytest.mark.integration

PAGE = (Path(__file__).parents[2] / "docs" / "first-hour.md").read_text()
LINES = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
PASSWORD = "p@ss/word"
FPS = 2
SECONDS = 6
FRAMES = FPS * SECONDS


class House:
    """The cameras of the page. They film a world that the bundled model understands, and whose truth is known."""

    def __init__(self, directory: Path) -> None:
        self._open = ExitStack()
        self._ended = threading.Event()
        self.world = SimulatedCamera(4, fps=FPS, seconds=SECONDS)
        images = [frame.image for frame in self.world.frames()]
        height, width = images[0].shape[:2]
        (directory / "recordings").mkdir()
        film = SegmentEncoder(width, height, FPS).encode(images)
        (directory / "recordings" / "monday.mp4").write_bytes(film)
        (directory / "pictures").mkdir()
        for number, image in enumerate(images):
            Image.fromarray(image).save(directory / "pictures" / f"{number}.jpg", quality=95)
        self._jpegs = [encode_jpeg(image) for image in images]
        long = SegmentEncoder(width, height, FPS, "h264").encode([*images] * 20)
        self._door = self._open.enter_context(RtspCamera(long, FPS, login=f"admin:{PASSWORD}"))
        self._yard = self._open.enter_context(HttpCamera(self._send_pictures))

    def file(self) -> str:
        """The page's file of cameras, its two addresses replaced by those of the cameras here."""
        (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
        for there, here in (("10.0.0.7/live", self._door.url), ("10.0.0.8/video.mjpg", self._yard.url)):
            assert text.count(there) == 1
            text = text.replace(there, here.partition("://")[2])
        return text

    def truth(self, task: str, question: str) -> str:
        """The right answer behind the last picture to a question that is written in several ways."""
        for seed in range(100):
            written = QuestionWriter(self.world.world, np.random.default_rng(seed)).ask(task, (FRAMES - 1) / FPS)
            if written is not None and written.text == question:
                return written.answer
        raise AssertionError(f"{question} is never asked")

    def close(self) -> None:
        self._ended.set()
        self._open.close()

    def _send_pictures(self, exchange: Exchange) -> None:
        exchange.send_response(200)
        exchange.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        exchange.end_headers()
        number = 0
        while not self._ended.wait(1 / FPS):
            picture = self._jpegs[number % len(self._jpegs)]
            header = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
            try:
                exchange.wfile.write(header.encode() + picture + b"\r\n")
            except OSError:
                return  # nobody watches any more
            number += 1


class Newcomer:
    """Types the lines of the page, with one change: the API has a port of its own, for tests side by side."""

    def __init__(self, home: Path) -> None:
        self.home = home
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        ours = ("HERMES_", "XDG_", "RAY_ADDRESS")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        path = f"{Path(HERMES).parent}:{os.environ['PATH']}"
        self.environment = {**clean, "HOME": str(home), "PATH": path, "HERMES_API__PORT": str(port)}

    def types(self, line: str) -> str:
        """Run a line, wait for its end, and return what it printed."""
        if line.startswith("export "):
            self.environment["DOOR_PASSWORD"] = PASSWORD
            return ""
        return self.runs(line).stdout

    def runs(self, line: str) -> subprocess.CompletedProcess[str]:
        """The same, of a program: with what it said on stderr."""
        words = shlex.split(line, comments=True)
        if any(name in words for name in ("ask", "look", "streams")):
            words += ["--url", self.url]
        done = subprocess.run(
            words, cwd=self.home, env=self.environment, capture_output=True, text=True, timeout=LIMIT_S
        )
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        return done

    def starts(self, line: str, *more: str) -> Run:
        """Run a line, perhaps with more options, that stays in the foreground until it is ended."""
        words = shlex.split(line)
        assert words[0] == "hermes"
        run = Run(self.home, *words[1:], *more, env=self.environment, inherit=False)
        run.wait_for("ready after")
        return run

    def frames(self, run: Run, **at_least: int) -> dict[str, int]:
        """Wait until streams have seen so many frames; return how many each has."""
        end_s = time.monotonic() + LIMIT_S
        with HermesClient(self.url) as client:
            while True:
                seen = {stream.id: stream.frames_seen for stream in client.streams()}
                if all(seen.get(name, 0) >= count for name, count in at_least.items()):
                    return seen
                assert time.monotonic() < end_s, (seen, run.errors)
                time.sleep(ASK_S)

    def wait_for_standing_question(self, name: str, stream: str) -> None:
        """Until it is the only one."""
        end_s = time.monotonic() + LIMIT_S
        with HermesClient(self.url) as client:
            while [(q.question.name, q.question.streams) for q in client.standing_questions()] != [(name, (stream,))]:
                assert time.monotonic() < end_s
                time.sleep(ASK_S)


@pytest.fixture
def newcomer(tmp_path: Path) -> Newcomer:
    return Newcomer(tmp_path)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    found = House(tmp_path)
    yield found
    found.close()


@pytest.fixture
def kafka() -> Iterator[str]:
    """Address of a broker of the newcomer's own."""
    with EmbeddedBroker() as broker:
        yield broker.bootstrap_servers


def _line(start: str) -> str:
    return next(line for line in LINES if line.startswith(start))


def _asking(cameras: str, question: str) -> str:
    """The file of cameras with a standing question to one of them."""
    asked = f"standing: [{{name: {question}, question: is there a red car in view, every_s: 5}}]"
    text, changes = re.subn(r"(yard: \{.*)\}", rf"\1, {asked}}}", cameras)
    assert changes == 1
    return text


def _end(run: Run, signum: signal.Signals) -> None:
    run.look()
    run.process.send_signal(signum)
    run.finish(LIMIT_S)
    assert run.process.returncode == 0, run.errors
    assert run.survivors() == []


def test_the_page_leads_from_four_cameras_to_answers_and_a_restart_remembers(
    newcomer: Newcomer, house: House, kafka: str
) -> None:
    began_s = time.monotonic()
    path = newcomer.home / "cameras.yaml"
    path.write_text(house.file())
    newcomer.types(_line("export"))
    checked = newcomer.types(_line("hermes cameras check"))
    assert all(name in checked for name in ("front-door", "yard", "film", "pictures")), checked

    run = newcomer.starts(_line("hermes up"))
    assert "in memory" in run.errors
    directory = newcomer.home / ".local/state/hermes-ray"
    assert str(directory) in run.errors.replace("\n", "")
    newcomer.frames(run, **{"front-door": 4, "yard": 4, "film": FRAMES, "pictures": FRAMES})
    assert "front-door" in newcomer.types("hermes streams")
    answers = {line: newcomer.types(line).strip() for line in LINES if line.startswith("hermes ask")}
    assert {line.split()[2] for line in answers} == {"front-door", "yard", "film", "pictures"}
    assert all(answers.values()), answers
    assert answers[_line("hermes ask pictures")] == house.truth("what_now", "what is in view now ?") == "a white bus"
    assert answers[_line("hermes ask film")] == house.truth("what_happened", "what happened ?")
    newcomer.types(_line("hermes look"))
    with Image.open(newcomer.home / "front-door.jpg") as picture:
        assert picture.size[0] > 100
    assert time.monotonic() - began_s < 300, "the page promises answers within five minutes"
    before = newcomer.frames(run)
    _end(run, signal.SIGINT)

    # The broker that had the records is gone, and the offsets of the new one begin at 0 again: what the snapshots say
    # of the old ones must not count. `pictures` is over once more, and every frame of it is seen again.
    without_film = "\n".join(line for line in house.file().splitlines() if "film:" not in line)
    path.write_text(_asking(without_film, "red-car"))
    run = newcomer.starts(_line("hermes up"), "--bootstrap", kafka, "--json")
    ready = json.loads(run.process.stdout.readline())
    assert (ready["event"], ready["url"]) == ("ready", newcomer.url)
    live = {name: before[name] + 1 for name in ("front-door", "yard")}
    after = newcomer.frames(run, film=FRAMES, pictures=2 * FRAMES, **live)
    assert after["film"] == before["film"] == FRAMES
    assert after["pictures"] == 2 * FRAMES
    film = _line("hermes ask film")
    remembered = newcomer.runs(film)
    assert remembered.stdout.strip() == answers[film], "what was seen before the restart"
    assert "first token after" in remembered.stderr

    published = newcomer.types(f"hermes publish sim://5 --stream lobby --bootstrap {kafka} --seconds 6 --fast --json")
    assert json.loads(published)["frames"] == 30
    newcomer.frames(run, lobby=1)
    newcomer.wait_for_standing_question("yard.red-car", "yard")
    path.write_text(_asking(without_film, "red-thing"))
    newcomer.wait_for_standing_question("yard.red-thing", "yard")
    assert newcomer.types("hermes ask lobby 'what happened ?' --max-tokens 4")
    newcomer.types(_line("hermes streams forget"))
    listed = json.loads(newcomer.types("hermes streams --json"))
    assert [stream["id"] for stream in listed["streams"]] == ["front-door", "lobby", "pictures", "yard"]
    _end(run, signal.SIGTERM)
