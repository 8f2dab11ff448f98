"""The console's functions that need no browser, in node's own test runner."""

import shutil
import subprocess
from pathlib import Path

PROGRAM = Path(__file__).parent / "javascript"


def test_they_do_what_their_tests_in_javascript_say():
    node = shutil.which("node")
    assert node, "install node (Debian: nodejs)"
    done = subprocess.run([node, "--test", "--test-reporter=spec"], cwd=PROGRAM, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tests 0" not in done.stdout
