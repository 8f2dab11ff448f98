"""The benchmark of events: its truth against a hand count, and a run that means nothing."""

import json

from typer.testing import CliRunner

from hermes_ray.bench.events.archive import Archive
from hermes_ray.bench.events.plan import SMOKE
from hermes_ray.bench.events.run import measure
from hermes_ray.bench.events.truth import Episode, episodes, score, score_search
from hermes_ray.cli.main import app
from hermes_ray.transport.event import JOURNAL, Event, EventKind, event_id
from hermes_ray.video.world import Truth, World


def test_episodes_are_the_times_in_which_a_perfect_observer_sees_the_thing():
    world = World(5)
    found = episodes(world, "red car", 1800)
    assert len(found) > 3
    truth = Truth(world)
    seen = [any(thing.name == "red car" for thing in truth.in_view(tenth / 10)) for tenth in range(18_000)]
    for tenth, there in enumerate(seen):
        covered = any(one.begin_s <= tenth / 10 < one.end_s for one in found)
        in_a_short_pause = any(seen[max(0, tenth - 20) : tenth]) and any(seen[tenth : tenth + 20])
        assert there == covered or (covered and in_a_short_pause)


def test_matches_are_held_against_episodes():
    truth = [Episode(10, 20), Episode(40, 41), Episode(60, 80), Episode(95, 120)]
    found = score(truth, [9.5, 12, 41.5, 50], seconds=100, every_s=2)
    assert (found.matches, found.right) == (4, 3)  # the one at 50 s is of nothing
    assert (found.episodes, found.found) == (2, 1)  # one is too short to be asked about, one goes on at the end
    assert found.delays_s == (0.0,)


def test_lines_that_a_search_finds_are_held_against_episodes_in_its_window():
    truth = [Episode(10, 20), Episode(60, 63), Episode(95, 104), Episode(110, 130)]
    spans = [(8, 10), (18, 20), (40, 42), (96, 98)]
    found = score_search(truth, spans, (0, 100), every_s=2)
    assert (found.matches, found.right) == (4, 3)  # the one at 40 s is of nothing
    assert (found.episodes, found.found) == (1, 1)  # one is too short, one goes on at the end, one comes later
    assert score_search(truth, [], (0, 110), every_s=2).episodes == 2


def line(stream: str, second: int, text: str) -> Event:
    number = event_id(EventKind.JOURNAL, JOURNAL, stream, second)
    kind, at_ms = EventKind.JOURNAL, 1000 * second
    return Event(
        number, kind, stream, JOURNAL, "what is in view now ?", text, second, at_ms, since_ms=max(0, at_ms - 2000)
    )


def test_a_search_finds_every_line_with_the_words_of_its_camera_and_window_and_no_other(tmp_path):
    texts = ["a red truck", "a red car and a blue truck", "a blue car", "nothing", "a red bus"]
    lines = [line(f"cam-{n % 2}", n, texts[n % 5]) for n in range(1200)]
    with Archive(tmp_path) as archive:
        for first in range(0, len(lines), 150):
            archive.keep(lines[first : first + 150])
        archive.keep(lines[:10])  # known already
        assert archive.events == len(lines)
        found = archive.journal("cam-1", "red truck", 101, 1001)
    with_both = {number for number, text in enumerate(texts) if {"red", "truck"} <= set(text.split())}
    wanted = [n for n in range(101, 1001) if n % 2 == 1 and n % 5 in with_both]
    assert len(wanted) > 100  # more than one page
    assert [kept.event.frame for kept in found] == wanted[::-1]


def test_a_run_tells_everything_and_its_document_follows_the_schema(tmp_path, check_schema):
    found = list(measure("hermes-tiny", SMOKE, lambda _: None))
    assert {figure.name for figure in found} >= {
        "precision",
        "recall",
        "search_precision",
        "search_recall",
        "search",
        "evaluations_per_frame",
        "frames_in_time",
        "people_wait_longer",
        "evaluation",
    }
    file = tmp_path / "events.json"
    options = ["--quick", "--cameras", "1", "--minutes", "0.2", "--load-seconds", "1", "--json", str(file)]
    result = CliRunner().invoke(app, ["bench", "events", *options, "--picture", str(tmp_path / "events.png")])
    assert result.exit_code == 0, result.output
    check_schema("events", json.loads(file.read_text()))
    assert (tmp_path / "events.png").read_bytes().startswith(b"\x89PNG")
