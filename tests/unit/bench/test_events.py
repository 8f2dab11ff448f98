"""The benchmark of events: its truth against a hand count, and a run that means nothing."""

import json

from typer.testing import CliRunner

from hermes_ray.bench.events.plan import SMOKE
from hermes_ray.bench.events.run import measure
from hermes_ray.bench.events.truth import Episode, episodes, score
from hermes_ray.cli.main import app
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


def test_a_run_tells_everything_and_its_document_follows_the_schema(tmp_path, check_schema):
    names = {figure.name for figure in measure("hermes-tiny", SMOKE, lambda _: None)}
    assert names >= {
        "precision",
        "recall",
        "evaluations_per_frame",
        "frames_in_time",
        "people_wait_longer",
        "evaluation",
    }
    file = tmp_path / "events.json"
    options = ["--quick", "--cameras", "1", "--minutes", "0.2", "--load-seconds", "1", "--json", str(file)]
    result = CliRunner().invoke(app, ["bench", "events", *options])
    assert result.exit_code == 0, result.output
    check_schema("events", json.loads(file.read_text()))
