import json
import logging
import subprocess
import sys

import pytest

from hermes_ray.config import LogSettings
from hermes_ray.observability.logs import configure_logs, get_logger

pytestmark = pytest.mark.usefixtures("root_logger_restored")


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_json_lines_carry_values_level_and_process(capsys):
    log = get_logger("hermes_ray.test")
    configure_logs(LogSettings(format="json"), actor="memory-0")
    log.info("stream opened", stream_id="cam-1")
    (line,) = lines(capsys)
    assert line["event"] == "stream opened"
    assert (line["stream_id"], line["actor"], line["level"]) == ("cam-1", "memory-0", "info")


def test_a_library_line_has_the_same_form(capsys):
    configure_logs(LogSettings(format="json"), actor="ingest-0")
    logging.getLogger("some.library").warning("disk %s is full", "sda")
    (line,) = lines(capsys)
    assert (line["event"], line["logger"], line["actor"]) == ("disk sda is full", "some.library", "ingest-0")


@pytest.mark.parametrize(("level", "told"), [("INFO", 0), ("DEBUG", 1)])
def test_attempts_of_the_kafka_client_to_connect_are_told_to_who_wants_everything(capsys, level, told):
    configure_logs(LogSettings(level=level, format="json"))
    logging.getLogger("kafka.net.manager").error("Connection failed")
    logging.getLogger("kafka.consumer").warning("offset out of range")
    assert len(lines(capsys)) == told + 1


def test_an_exception_is_one_json_line(capsys):
    configure_logs(LogSettings(format="json"))
    try:
        raise ValueError("bad frame")
    except ValueError:
        get_logger("hermes_ray.test").exception("cannot decode")
    (line,) = lines(capsys)
    assert "ValueError: bad frame" in str(line["exception"])


def test_lines_below_the_level_are_dropped(capsys):
    configure_logs(LogSettings(level="WARNING", format="console"))
    get_logger("hermes_ray.test").info("quiet")
    get_logger("hermes_ray.test").warning("loud")
    written = capsys.readouterr().err
    assert "loud" in written
    assert "quiet" not in written


def test_configuring_twice_writes_each_line_once(capsys):
    configure_logs(LogSettings(format="json"))
    configure_logs(LogSettings(format="json"))
    get_logger("hermes_ray.test").info("once")
    assert len(lines(capsys)) == 1


def test_a_library_user_who_configures_nothing_sees_a_plain_traceback_without_values():
    program = """
from hermes_ray.observability.logs import get_logger
def fail(password):
    raise ValueError("bad frame")
try:
    fail("swordfish")
except ValueError:
    get_logger("hermes_ray.test").exception("cannot decode", stream_id="cam-1")
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "cannot decode" in said.stdout
    assert "ValueError: bad frame" in said.stdout
    assert "swordfish" not in said.stdout + said.stderr
