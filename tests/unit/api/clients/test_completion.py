"""Names of streams behind TAB, as a shell asks for them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.api.conftest import STREAM

HERMES = Path(sys.executable).with_name("hermes")


def offered(*words: str) -> str:
    """What bash is offered for the last word."""
    environment = os.environ | {
        "_HERMES_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(("hermes", *words)),
        "COMP_CWORD": str(len(words)),
    }
    done = subprocess.run([HERMES], env=environment, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("words", [("ask",), ("streams", "reset", "another")])
def test_a_shell_is_offered_the_streams_that_there_are(url: str, words: tuple[str, ...]):
    assert offered(*words, "--url", url, STREAM[:3]).split() == [STREAM]


def test_where_nothing_runs_nothing_is_offered_and_nothing_is_said():
    assert offered("ask", "--url", "http://127.0.0.1:9", "fr").strip() == ""
