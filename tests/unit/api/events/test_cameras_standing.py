"""Standing questions in a file of cameras: the system asks what the file says, and what people made stays theirs."""

import random
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hermes_ray.api.keys.key_file import KeyFile, new_key, write_keys
from hermes_ray.api.keys.scopes import Scope
from hermes_ray.cli.cameras.reading import parse_cameras
from hermes_ray.cli.cameras.sharding import WHOLE_FILE, Shard
from hermes_ray.cli.cameras.standing.keeper import StandingKeeper
from hermes_ray.cli.cameras.standing.naming import owner_of, system_name
from hermes_ray.cli.cameras.standing.places import over_http
from hermes_ray.cli.cameras.table import cameras_table
from hermes_ray.cli.main import app as commands
from hermes_ray.client import HermesClient
from hermes_ray.config import Settings, StandingQuestion, load
from hermes_ray.engine import StreamEngine
from hermes_ray.errors import ConfigError
from hermes_ray.video.sources.cameras.backoff import Backoff
from tests.patience import LIMIT_S
from tests.terminal import lines_of
from tests.unit.api.conftest import STREAM, app_of, on_socket
from tests.unit.api.events.standing_backend import StandingBackend

PERSON = '{name: person, question: "is there a person ?"}'
OPEN = "{name: open, question: is it open, options: [open, shut], every_s: 10}"
Start = Callable[..., "Kept"]


class Kept:
    """A process that keeps the questions of a file, as ``hermes cameras run`` does."""

    def __init__(
        self, url: str | None, directory: Path, owner: str, shard: Shard = WHOLE_FILE, key_file: Path | None = None
    ):
        quick = Backoff(0.02, 0.05, random.Random(1))
        place_of = over_http(url, key_file, directory)
        self.keeper = StandingKeeper(f"cameras:{owner}", place_of, shard, quick, again_s=0.05)

    def follow(self, text: str) -> None:
        self.keeper.follow(parse_cameras(text, "cameras.yaml"))

    def until(self, condition: Callable[[], bool]) -> None:
        end_s = time.monotonic() + LIMIT_S
        pause = threading.Event()
        while not condition():
            assert time.monotonic() < end_s, self.keeper.status()
            pause.wait(0.01)

    def until_asked(self) -> None:
        self.until(lambda: self.keeper.status().missing == 0)


@pytest.fixture
def settings() -> Settings:
    return load(overrides={"api": {"access": {"audit": "off"}}})


@pytest.fixture
def backend(engine: StreamEngine, tmp_path: Path, settings: Settings) -> StandingBackend:
    return StandingBackend(engine, tmp_path / "store", settings)


@pytest.fixture
def url(backend: StandingBackend, settings: Settings) -> Iterator[str]:
    with on_socket(app_of(backend, settings)) as url:
        yield url


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Kept] = []

    def begin(url: str | None, owner: str = "site", shard: Shard = WHOLE_FILE, key_file: Path | None = None) -> Kept:
        started.append(Kept(url, tmp_path, owner, shard, key_file))
        return started[-1]

    yield begin
    for kept in started:
        kept.keeper.close()


def asked(url: str) -> dict[str, StandingQuestion]:
    with HermesClient(url) as client:
        return {found.question.name: found.question for found in client.standing_questions()}


def make(url: str, **definition: object) -> None:
    with HermesClient(url) as client:
        client.add_standing_question(**definition)


def test_the_system_asks_what_the_file_says_and_follows_it(url: str, start: Start):
    make(url, name="by-hand", question="is it raining?", streams=["gate"])
    kept = start(url)
    kept.follow(f"""
defaults: {{standing: [{PERSON}]}}
cameras:
  gate: {{source: sim://1, standing: [{OPEN}]}}
  yard: {{source: sim://2, standing: [{{name: person, question: "anybody ?", every_s: 60}}]}}
""")
    kept.until_asked()
    found = asked(url)
    assert found.keys() == {"by-hand", "gate.person", "gate.open", "yard.person"}
    assert (found["gate.open"].streams, found["gate.open"].options) == (("gate",), ("open", "shut"))
    assert (found["yard.person"].question, found["yard.person"].every_s) == ("anybody ?", 60)
    assert [name for name, question in found.items() if question.owner is None] == ["by-hand"]

    changed = OPEN.replace("every_s: 10", "every_s: 20")
    kept.follow(f"cameras: {{gate: {{source: sim://1, standing: [{changed}]}}, new: {{source: sim://3}}}}")
    kept.until(lambda: asked(url).keys() == {"by-hand", "gate.open"} and kept.keeper.status().missing == 0)
    assert asked(url)["gate.open"].every_s == 20
    kept.follow("cameras: {gate: {source: sim://1}}")
    kept.until(lambda: asked(url).keys() == {"by-hand"})


def test_what_is_as_wanted_is_left_alone_by_every_later_look_and_process(
    url: str, start: Start, backend: StandingBackend
):
    text = f"cameras: {{gate: {{source: sim://1, standing: [{PERSON}, {OPEN}]}}}}"
    first = start(url)
    first.follow(text)
    first.until_asked()
    known = backend.standing.known
    assert known is not None
    for later in (first, start(url), start(url, "another-host")):
        later.follow(text)
        later.until_asked()
    assert backend.standing.known == known


def test_what_somebody_removes_is_made_again_and_what_somebody_mutes_stays_muted(url: str, start: Start):
    kept = start(url)
    kept.follow(f"cameras: {{gate: {{source: sim://1, standing: [{PERSON}, {OPEN}]}}}}")
    kept.until_asked()
    with HermesClient(url) as client:
        client.mute_standing_question("gate.open")
        client.remove_standing_question("gate.person")
    kept.until(lambda: "gate.person" in asked(url))
    assert asked(url)["gate.open"].muted
    # Not even a change of the question unmutes it; the file does, where it says so.
    kept.follow(f"cameras: {{gate: {{source: sim://1, standing: [{OPEN.replace('10', '20')}]}}}}")
    kept.until(lambda: "gate.open" in (found := asked(url)) and found["gate.open"].every_s == 20)
    assert asked(url)["gate.open"].muted
    said = OPEN.replace("10", "20, muted: false")
    kept.follow(f"cameras: {{gate: {{source: sim://1, standing: [{said}]}}}}")
    kept.until(lambda: not asked(url)["gate.open"].muted)


def test_a_camera_that_left_the_file_while_nothing_ran_is_forgotten_by_the_same_owner_only(url: str, start: Start):
    before = start(url)
    before.follow(f"cameras: {{gate: {{source: sim://1, standing: [{PERSON}]}}, yard: {{source: sim://2}}}}")
    before.until_asked()
    before.keeper.close()
    other = start(url, "another-site")
    other.follow(f"cameras: {{dock: {{source: sim://3, standing: [{PERSON}]}}}}")
    other.until_asked()
    assert asked(url).keys() == {"gate.person", "dock.person"}
    after = start(url)
    after.follow("cameras: {yard: {source: sim://2}}")
    after.until(lambda: asked(url).keys() == {"dock.person"})


def test_a_camera_that_moves_to_the_file_of_another_process_is_that_one_s_alone(
    url: str, start: Start, backend: StandingBackend
):
    with_gate = f"cameras: {{gate: {{source: sim://1, standing: [{PERSON}]}}, yard: {{source: sim://2}}}}"
    former, latter = start(url, "north"), start(url, "south")
    former.follow(with_gate)
    former.until_asked()
    latter.follow(with_gate.replace("yard", "dock"))
    latter.until_asked()
    former.follow("cameras: {yard: {source: sim://2}}")
    latter.until(lambda: "gate.person" in (found := asked(url)) and found["gate.person"].owner == "cameras:south")
    known, looks = backend.standing.known, backend.looks
    latter.until(lambda: backend.looks > looks + 20)  # of both, again and again
    assert backend.standing.known == known


def test_another_address_is_not_known_to_ask_anything(url: str, start: Start):
    cameras = f"cameras: {{gate: {{source: sim://1, standing: [{PERSON}]}}}}"
    kept = start(None)
    kept.follow(f"api: {{url: '{url}'}}\n{cameras}")
    kept.until_asked()
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        kept.follow(f"api: {{url: 'http://127.0.0.1:{silent.getsockname()[1]}'}}\n{cameras}")
        kept.until(lambda: kept.keeper.status().problem is not None)
    assert kept.keeper.status().missing == 1


def test_the_last_question_goes_although_the_address_goes_with_it(url: str, start: Start):
    kept = start(None)
    kept.follow(f"api: {{url: '{url}'}}\ncameras: {{gate: {{source: sim://1, standing: [{PERSON}]}}}}")
    kept.until_asked()
    assert "gate.person" in asked(url)
    kept.follow("cameras: {gate: {source: sim://1}}")
    kept.until(lambda: not asked(url))


def test_each_shard_looks_after_its_own_cameras(url: str, start: Start):
    names = [f"camera-{number}" for number in range(6)]
    cameras = ", ".join(f"{name}: {{source: sim://1, standing: [{PERSON}]}}" for name in names)
    shards = [Shard(index, 2) for index in range(2)]
    here, there = ([name for name in names if shard.holds(name)] for shard in shards)
    assert here
    assert there
    first = start(url, shard=shards[0])
    first.follow(f"cameras: {{{cameras}}}")
    first.until_asked()
    assert asked(url).keys() == {f"{name}.person" for name in here}
    second = start(url, shard=shards[1])
    second.follow(f"cameras: {{{cameras}}}")
    second.until_asked()
    # The second learns first that the file is empty.
    second.follow("cameras: {}")
    second.until(lambda: asked(url).keys() == {f"{name}.person" for name in here})
    first.follow("cameras: {}")
    first.until(lambda: not asked(url))


def test_a_name_that_somebody_has_taken_is_told_and_the_others_are_made(url: str, start: Start):
    make(url, name="gate.person", question="who is there?", options=["ann", "bob"])
    kept = start(url)
    kept.follow(f"cameras: {{gate: {{source: sim://1, standing: [{PERSON}, {OPEN}]}}}}")
    kept.until(lambda: kept.keeper.status().missing == 1)
    status = kept.keeper.status()
    assert "gate.person: the system has another one of that name" in (status.problem or "")
    assert asked(url)["gate.person"].question == "who is there?"
    assert "gate.open" in asked(url)
    with HermesClient(url) as client:
        client.remove_standing_question("gate.person")
    kept.until_asked()
    assert kept.keeper.status().problem is None


def test_a_change_that_is_refused_leaves_the_question_asked_as_before(url: str, start: Start, backend: StandingBackend):
    cheap = f"cameras: {{{STREAM}: {{source: sim://1, standing: [{OPEN}]}}}}"
    name = f"{STREAM}.open"
    make(url, name="by-hand", question="is it raining?", streams=[STREAM])
    kept = start(url)
    kept.follow(cheap)
    kept.until_asked()
    kept.follow(cheap.replace("every_s: 10", "every_s: 0.1"))  # more than the system allows
    kept.until(lambda: "would ask 10 times" in (kept.keeper.status().problem or ""))
    looks = backend.looks
    kept.until(lambda: backend.looks > looks + 3)  # it is tried again and again
    assert asked(url)[name].every_s == 10
    assert kept.keeper.status().missing == 1


def test_an_error_that_nobody_expected_is_told_and_ends_nothing(url: str, tmp_path: Path):
    opened: list[int] = []

    class Broken:
        shown = url

        def open(self) -> HermesClient:
            opened.append(len(opened))
            if len(opened) < 3:
                raise ZeroDivisionError
            return HermesClient(url)

    kept = Kept(url, tmp_path, "site")
    kept.keeper = StandingKeeper("cameras:site", lambda _: Broken(), backoff=Backoff(0.02, 0.05, random.Random(1)))
    try:
        kept.follow(f"cameras: {{gate: {{source: sim://1, standing: [{PERSON}]}}}}")
        kept.until_asked()
        assert "gate.person" in asked(url)
    finally:
        kept.keeper.close()
    assert len(opened) >= 3


def test_a_system_that_is_away_is_waited_for(backend: StandingBackend, settings: Settings, start: Start):
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    kept = start(url)
    kept.follow(f"cameras: {{gate: {{source: sim://1, standing: [{PERSON}]}}}}")
    kept.until(lambda: kept.keeper.status().problem is not None)
    status = kept.keeper.status()
    assert (status.wanted, status.missing) == (1, 1)
    assert url in (status.problem or "")
    lines = " ".join(lines_of(cameras_table([], None, 0.0, status)))
    assert "0 of 1 are asked" in lines
    assert "tried again" in lines
    with on_socket(app_of(backend, settings), port):
        kept.until_asked()
        assert "gate.person" in asked(url)
    assert kept.keeper.status() == type(status)(1, 0, None)


def test_a_key_that_may_not_is_told_and_another_one_counts_without_a_restart(
    backend: StandingBackend, tmp_path: Path, start: Start
):
    reader, reads = new_key("r", [Scope.READ], ("*",), datetime.now(UTC), None)
    manager, manages = new_key("m", [Scope.READ, Scope.MANAGE], ("gate",), datetime.now(UTC), None)
    write_keys(tmp_path / "keys.json", KeyFile(keys=(reader, manager)))
    keyed = load(overrides={"api": {"access": {"keys_file": str(tmp_path / "keys.json"), "audit": "off"}}})
    (tmp_path / "key").write_text(reads)
    with on_socket(app_of(backend, keyed)) as url:
        kept = start(None)
        kept.follow(
            f"api: {{url: '{url}', key_file: key}}\ncameras: {{gate: {{source: sim://1, standing: [{PERSON}]}}}}"
        )
        kept.until(lambda: "manage" in (kept.keeper.status().problem or ""))
        assert reads not in (kept.keeper.status().problem or "")
        (tmp_path / "key").write_text(manages)
        kept.until_asked()


def test_a_file_with_questions_that_go_nowhere_is_refused_before_anything_starts(tmp_path: Path, start: Start):
    path = tmp_path / "cameras.yaml"
    path.write_text(f"cameras: {{gate: {{source: sim://1, standing: [{PERSON}]}}}}")
    for arguments in (["cameras", "run", str(path)], ["cameras", "run", str(path), "--check"]):
        refused = CliRunner().invoke(commands, arguments)
        assert refused.exit_code == 2
        said = " ".join(refused.stderr.split())
        assert re.search(r"cameras\.gate\.standing: person .* --url .* HERMES_API_URL", said), said
    kept = start(None)
    kept.follow("cameras: {gate: {source: sim://1}}")  # without questions nothing is needed
    with pytest.raises(ConfigError, match="--url"):
        kept.follow(path.read_text())
    assert kept.keeper.status().wanted == 0


def test_names_in_the_system_are_names_there_and_differ(tmp_path: Path):
    assert system_name("front-door", "person") == "front-door.person"
    odd = [
        system_name(camera, name)
        for camera in ("Front-Door", "FRONT-DOOR", "_", "-a", "x" * 128, "x" * 127)
        for name in ("person", "p" * 64)
    ]
    assert len(set(odd)) == len(odd)
    for name in odd:
        assert StandingQuestion(name=name, question="?").name == name
    assert owner_of("site", tmp_path) == "cameras:site"
    assert owner_of(None, tmp_path).endswith(f":{tmp_path}")
    assert len(owner_of(None, tmp_path / ("x" * 300))) <= 256
