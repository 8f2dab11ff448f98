"""Signals and child processes, with real ones: each test runs a small program and signals it."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import psutil
import pytest

from tests.patience import LIMIT_S

PREAMBLE = """
import subprocess, sys, time
from pathlib import Path
from hermes_ray.cli.running.lifecycle import Interrupted, Lifecycle

say = lambda text: print(text, flush=True)

def run(body):
    try:
        body()
    except Interrupted as interrupt:
        sys.exit(interrupt.exit_code)
"""


@pytest.fixture
def program(tmp_path):
    """Start a program; whatever it leaves behind fails the test and is killed."""
    started: list[subprocess.Popen] = []

    def start(body: str) -> subprocess.Popen:
        path = tmp_path / f"program-{len(started)}.py"
        path.write_text(PREAMBLE + textwrap.dedent(body))
        process = subprocess.Popen(
            [sys.executable, str(path)], cwd=tmp_path, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        started.append(process)
        return process

    yield start
    left = [process for process in started if process.poll() is None]
    for process in left:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert not left


def wait_for(process: subprocess.Popen, line: str) -> None:
    assert process.stdout is not None
    for text in process.stdout:
        if text.strip() == line:
            return
    raise AssertionError(f"the program ended without saying {line!r}")


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_during_start_up_ends_what_was_started_newest_first(program, signum, code):
    process = program("""
        def body():
            with Lifecycle(say) as lifecycle:
                lifecycle.at_end(lambda: say("first ended"))
                lifecycle.at_end(lambda: say("second ended"))
                say("starting")
                time.sleep(60)
        run(body)
    """)
    wait_for(process, "starting")
    process.send_signal(signum)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == code
    assert output.splitlines() == ["second ended", "first ended"]


def test_a_signal_in_steady_state_ends_the_wait_without_an_error(program):
    process = program("""
        def body():
            with Lifecycle(say) as lifecycle:
                lifecycle.wait_until_stopped(lambda: say("tick"), tick_s=0.05)
                say("stopped")
        run(body)
    """)
    wait_for(process, "tick")
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0
    assert output.splitlines()[-1] == "stopped"


def test_a_signal_at_any_moment_of_the_wait_ends_it(program):
    process = program("""
        import os, random, signal, threading

        def interrupt():
            time.sleep(random.uniform(0, 0.003))
            os.kill(os.getpid(), signal.SIGINT)

        def body():
            for _ in range(40):
                first_tick = iter([threading.Thread(target=interrupt).start])  # the wait has begun by then
                with Lifecycle(say) as lifecycle:
                    lifecycle.wait_until_stopped(lambda: next(first_tick, bool)(), tick_s=0)
            say("all waits ended")
        run(body)
    """)
    output, _ = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, output.splitlines()) == (0, ["all waits ended"])


def test_a_second_signal_kills_what_will_not_end(program, tmp_path):
    process = program("""
        def body():
            with Lifecycle(say) as lifecycle:
                child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
                Path("child").write_text(str(child.pid))
                lifecycle.at_end(lambda: (say("ending"), time.sleep(60)))
                say("starting")
                time.sleep(60)
        run(body)
    """)
    wait_for(process, "starting")
    process.send_signal(signal.SIGINT)
    wait_for(process, "ending")
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=LIMIT_S) == 130
    assert not is_running(int((tmp_path / "child").read_text()))


def test_grandchildren_whose_parent_died_are_ended_too(program, tmp_path):
    process = program("""
        GRANDCHILD = "import time; time.sleep(60)"
        CHILD = (
            "import subprocess, sys, os; from pathlib import Path; "
            f"child = subprocess.Popen([sys.executable, '-c', {GRANDCHILD!r}], start_new_session=True); "
            "Path('grandchild').write_text(str(child.pid)); os._exit(1)"
        )

        def body():
            with Lifecycle(say):
                subprocess.run([sys.executable, "-c", CHILD])
        run(body)
    """)
    assert process.wait(timeout=LIMIT_S) == 0
    assert not is_running(int((tmp_path / "grandchild").read_text()))


def test_a_child_that_was_there_before_is_left_alone(program):
    process = program("""
        stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        with Lifecycle(say):
            own = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        say(f"own ended {own.poll() is not None}, stranger ended {stranger.poll() is not None}")
        stranger.kill()
        stranger.wait()
    """)
    output, _ = process.communicate(timeout=LIMIT_S)
    assert output.strip() == "own ended True, stranger ended False"


def test_a_signal_whose_exception_python_dropped_still_ends_start_up(program):
    process = program("""
        class Finalised:
            def __del__(self):
                say("finalising")
                time.sleep(0.5)  # an exception in here is printed and dropped

        def body():
            with Lifecycle(say):
                Finalised()
                time.sleep(60)
        run(body)
    """)
    wait_for(process, "finalising")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=LIMIT_S) == 143


def test_a_signal_waits_for_what_must_not_be_left_half_way(program):
    process = program("""
        def body():
            with Lifecycle(say) as lifecycle:
                with lifecycle.deferring_signals():
                    say("importing")
                    time.sleep(1.5)
                    say("imported")
                time.sleep(60)
        run(body)
    """)
    wait_for(process, "importing")
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 130
    assert output.splitlines() == ["imported"]


def test_cleaning_up_behind_a_signal_is_not_interrupted_by_it_again(program):
    process = program("""
        def body():
            with Lifecycle(say):
                try:
                    say("starting")
                    time.sleep(60)
                finally:
                    time.sleep(2.5)
                    say("cleaned up")
        run(body)
    """)
    wait_for(process, "starting")
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 143
    assert output.splitlines() == ["cleaned up"]


def test_a_library_that_makes_another_error_of_it_does_not_change_the_exit_code(program):
    process = program("""
        def body():
            with Lifecycle(say):
                try:
                    say("starting")
                    time.sleep(60)
                except KeyboardInterrupt:
                    raise RuntimeError("the call was interrupted")
        run(body)
    """)
    wait_for(process, "starting")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=LIMIT_S) == 143


def test_one_failing_end_does_not_keep_the_rest_from_ending(program):
    process = program("""
        from hermes_ray.errors import PublishFailed

        def fail():
            raise PublishFailed("3 records unconfirmed")

        def body():
            with Lifecycle(say) as lifecycle:
                lifecycle.at_end(lambda: say("ended"))
                lifecycle.at_end(fail)
        run(body)
    """)
    output, _ = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0
    assert output.splitlines() == ["while stopping: 3 records unconfirmed", "ended"]


def test_a_library_that_takes_sigterm_does_not_change_the_exit_code(program):
    process = program("""
        import signal

        def body():
            with Lifecycle(say) as lifecycle, lifecycle.while_others_take_signals():
                signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
                say("starting")
                time.sleep(60)
        run(body)
    """)
    wait_for(process, "starting")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=LIMIT_S) == 143


def is_running(pid: int) -> bool:
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return False
        time.sleep(0.05)
    return True


def test_a_signal_whose_exception_is_dropped_while_others_take_signals_still_ends_the_program(program):
    process = program("""
        import os, signal

        class DropsWhatIsRaised:
            def __del__(self):
                os.kill(os.getpid(), signal.SIGTERM)

        def raises(signum, frame):
            raise SystemExit

        def body():
            with Lifecycle(say) as lifecycle:
                lifecycle.at_end(lambda: say("ended"))
                with lifecycle.while_others_take_signals():
                    signal.signal(signal.SIGTERM, raises)
                    DropsWhatIsRaised()
                    say("dropped")
                say("never said")

        run(body)
    """)
    said, _ = process.communicate(timeout=60)
    assert said.split() == ["dropped", "ended"]
    assert process.returncode == 143
