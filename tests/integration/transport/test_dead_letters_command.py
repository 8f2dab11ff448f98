"""``hermes dead-letters`` against a real broker: what an operator sees, and what reaches the frames topic again."""

import json
import time

import pytest
from typer.testing import CliRunner

from hermes_ray.cli.main import app
from hermes_ray.errors import InvalidHeader, MediaTooLarge, UndecodableMedia, UnreadableRecord
from hermes_ray.transport.consumer import PartitionConsumer
from hermes_ray.transport.dead_letters import DeadLetterWriter
from hermes_ray.transport.publisher import RecordPublisher
from hermes_ray.transport.record import Record
from hermes_ray.transport.topics import ensure_topics
from tests.patience import LIMIT_S

pytestmark = pytest.mark.integration

START_MS = 1_760_000_000_000


@pytest.fixture
def settings(kafka_settings):
    ensure_topics(kafka_settings)
    return kafka_settings


@pytest.fixture
def hermes(settings, monkeypatch, root_logger_restored):
    """Runs the command with the settings as an operator gives them: by variables."""
    for name in ("bootstrap_servers", "frames_topic", "dead_letters_topic", "max_record_bytes"):
        monkeypatch.setenv(f"HERMES_KAFKA__{name.upper()}", str(getattr(settings, name)))

    def run(*arguments, code=0):
        result = CliRunner().invoke(app, ["dead-letters", *arguments], env={"COLUMNS": "200"})
        assert result.exit_code == code, result.output
        return result

    return run


def record(settings, offset, key=b"cam-1", value=b"not a picture", headers=(("content-type", b"image/jpeg"),)):
    return Record(settings.frames_topic, 2, offset, START_MS + offset, key, value, headers)


def bury(settings, *letters):
    with DeadLetterWriter(settings) as writer:
        for lost, error in letters:
            writer.write(lost, error).result(LIMIT_S)


def frames(settings, count):
    """Everything in the frames topic, of which there must be so many records."""
    with PartitionConsumer(settings) as consumer:
        topic = settings.frames_topic
        consumer.assign({(topic, partition): 0 for partition in consumer.partitions_for(topic)})
        found = []
        deadline = time.monotonic() + LIMIT_S
        while any(consumer.lag().values()):
            assert time.monotonic() < deadline, found
            found += consumer.poll(0.5)
    assert len(found) == count
    return found


def listed(hermes, *arguments):
    return json.loads(hermes("list", "--json", *arguments).stdout)


def test_list_shows_what_an_operator_needs_newest_last(hermes, settings):
    bury(
        settings,
        (record(settings, 4), UndecodableMedia("no start marker")),
        (record(settings, 5, b"cam-2", b"x" * 300_000), MediaTooLarge("9000 x 9000 pixels")),
        (record(settings, 6, None, None), InvalidHeader("header ts is '\x1b[31m'")),
    )
    text = hermes("list").stdout
    rows = [line for line in text.splitlines() if line.startswith("0:")]
    assert [row.split()[0] for row in rows] == ["0:0", "0:1", "0:2"]
    for fact in ("cam-1", "undecodable-media", f"{settings.frames_topic} 2:4", "13 / 13", "no start marker"):
        assert fact in rows[0]
    assert "262144 / 300000" in rows[1]
    assert "\x1b[31m" not in text, "foreign text must not command the terminal"
    assert "3 dead letters (1 undecodable-media, 1 media-too-large, 1 invalid-header), 3 shown" in text


def test_list_can_be_narrowed_and_counts_all_that_match(hermes, settings):
    bury(settings, *((record(settings, n, b"cam-%d" % (n % 2)), UndecodableMedia(f"{n}")) for n in range(6)))
    found = listed(hermes, "--stream", "cam-1", "--limit", "2")
    assert [(letter["letter"], letter["offset"]) for letter in found["letters"]] == [("0:3", 3), ("0:5", 5)]
    assert (found["total"], found["by_reason"]) == (3, {"undecodable-media": 3})
    assert listed(hermes, "--reason", "empty-payload")["total"] == 0


def test_records_of_somebody_else_are_counted_and_do_not_stop_the_list(hermes, settings):
    publisher = RecordPublisher(settings)
    publisher.send(settings.dead_letters_topic, key=b"k", value=b"v", headers=[]).result(LIMIT_S)
    publisher.close()
    bury(settings, (record(settings, 1), UndecodableMedia("x")))
    found = listed(hermes)
    assert (found["total"], found["foreign"]) == (1, 1)
    assert "1 records of" in hermes("list").stdout


def test_a_republished_record_is_the_original_with_the_letter_it_comes_from(hermes, settings):
    headers = (("content-type", b"image/jpeg"), ("trace", b"\xff"))
    lost = record(settings, 7, headers=headers)
    bury(settings, (lost, UndecodableMedia("x")), (record(settings, 8, b"cam-2"), UndecodableMedia("x")))
    hermes("republish", "--stream", "cam-1")
    (back,) = frames(settings, 1)
    assert (back.key, back.value, back.timestamp_ms) == (lost.key, lost.value, lost.timestamp_ms)
    assert back.headers == (*headers, ("hermes-republished-from", b"0:0"))


def test_records_of_a_stream_keep_their_order(hermes, settings):
    bury(settings, *((record(settings, n, value=b"%d" % n), UndecodableMedia("x")) for n in range(40)))
    out = json.loads(hermes("republish", "--all", "--json").stdout)
    assert [back.value for back in frames(settings, 40)] == [b"%d" % n for n in range(40)]
    assert len(out["published"]) == 40


def test_a_dry_run_names_the_records_and_publishes_nothing(hermes, settings):
    bury(settings, (record(settings, 7), UndecodableMedia("x")), (record(settings, 8), InvalidHeader("y")))
    out = hermes("republish", "--reason", "invalid-header", "--dry-run").stdout
    assert "0:1" in out and "0:0" not in out
    assert "1 would be published" in out
    frames(settings, 0)


def test_cut_and_unreadable_records_are_refused_by_name_and_the_rest_goes(hermes, settings):
    place_alone = Record(settings.frames_topic, 1, 3, -1, None, None)
    bury(
        settings,
        (record(settings, 1, value=b"x" * 400_000), MediaTooLarge("x")),
        (place_alone, UnreadableRecord(settings.frames_topic, 1, 3, "bad batch")),
        (record(settings, 2, headers=tuple((f"h{n}", b"") for n in range(50))), InvalidHeader("x")),
        (record(settings, 3), UndecodableMedia("x")),
    )
    refused = hermes("republish", "--all", code=1).stderr
    for told in ("0:0 (without its whole value)", "0:1 (without its whole key)", "0:2 (without its whole headers)"):
        assert told in " ".join(refused.split())
    assert frames(settings, 1)[0].value == b"not a picture"


def test_a_letter_that_came_back_is_marked_and_goes_out_only_when_asked_for_again(hermes, settings):
    bury(settings, (record(settings, 1), UndecodableMedia("x")))
    hermes("republish", "--all")
    (back,) = frames(settings, 1)
    bury(settings, (back, UndecodableMedia("x")))
    assert listed(hermes)["letters"][1]["republished_from"] == "0:0"
    assert "undecodable-media, again" in hermes("list").stdout
    hermes("republish", "--all")
    frames(settings, 1)
    hermes("republish", "--all", "--again")
    assert frames(settings, 2)[1].headers[-1] == ("hermes-republished-from", b"0:1")
    assert len([name for name, _ in frames(settings, 2)[1].headers if name.startswith("hermes-republished")]) == 1


def test_a_letter_that_was_written_twice_is_published_once(hermes, settings):
    bury(settings, *[(record(settings, 1), UndecodableMedia("x"))] * 2)
    assert "left out" in hermes("republish", "--all").stderr
    frames(settings, 1)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ((), 2, "--all"),
        (("--all", "--stream", "cam-1"), 2, "--all"),
        (("17",), 2, "PARTITION:OFFSET"),
        (("0:99",), 1, "holds no letter 0:99"),
    ],
)
def test_a_wrong_choice_is_refused_before_anything_is_published(hermes, settings, arguments, code, told):
    bury(settings, (record(settings, 1), UndecodableMedia("x")))
    assert told in hermes("republish", *arguments, code=code).stderr
    frames(settings, 0)


def test_a_missing_topic_is_one_line(hermes, settings):
    failed = hermes("list", "--set", "kafka.dead_letters_topic=no-such-topic", code=1)
    assert "there is no topic no-such-topic" in failed.stderr
    assert "Traceback" not in failed.stderr
