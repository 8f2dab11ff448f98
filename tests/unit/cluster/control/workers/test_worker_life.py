from hermes_ray.cluster.control.workers.worker_life import WorkerLife, WorkerState


class HeldClock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Worker:
    """A worker that says how it is whenever it is visited."""

    def __init__(self) -> None:
        self.clock = HeldClock()
        self.life = WorkerLife(gone_after_s=60, now_s=self.clock)
        self.process, self.up, self.draining = "first", False, False

    def visited(self, seconds: float = 1.0) -> WorkerState:
        asked_s = self.clock.now_s = self.clock.now_s + seconds
        self.life.heard()
        self.life.described(self.process, up=self.up, draining=self.draining, asked_s=asked_s)
        return self.life.state

    def visited_in_vain(self, seconds: float = 1.0) -> WorkerState:
        self.clock.now_s += seconds
        self.life.missed()
        return self.life.state


def test_a_worker_starts_works_falls_silent_is_gone_and_comes_back():
    worker = Worker()
    assert worker.life.state is WorkerState.STARTING
    assert worker.visited() is WorkerState.STARTING  # its model loads
    worker.up = True
    assert worker.visited() is WorkerState.ADMITTED
    assert worker.visited_in_vain() is WorkerState.SILENT
    assert worker.visited() is WorkerState.ADMITTED
    assert worker.visited_in_vain(59) is WorkerState.SILENT
    assert worker.visited_in_vain(2) is WorkerState.GONE
    assert worker.visited() is WorkerState.ADMITTED


def test_one_that_never_answers_is_starting_until_it_is_gone():
    worker = Worker()
    assert worker.visited_in_vain(59) is WorkerState.STARTING
    assert worker.visited_in_vain(2) is WorkerState.GONE


def test_a_drain_ends_with_the_process_that_was_drained():
    worker = Worker()
    worker.up = worker.draining = True
    assert worker.visited() is WorkerState.DRAINING
    assert (worker.visited_in_vain(), worker.life.is_draining) == (WorkerState.SILENT, True)
    worker.process, worker.up, worker.draining = "second", False, False
    assert worker.visited() is WorkerState.STARTING
    worker.up = True
    assert worker.visited() is WorkerState.ADMITTED


def test_an_answer_from_before_a_drain_does_not_undo_it_nor_one_from_before_its_end():
    worker = Worker()
    worker.up = True
    worker.visited()
    asked_s = worker.clock.now_s
    worker.clock.now_s += 0.1
    worker.life.told_to_drain(True)
    worker.life.described("first", up=True, draining=False, asked_s=asked_s)
    assert worker.life.state is WorkerState.DRAINING
    worker.draining = True
    assert worker.visited() is WorkerState.DRAINING
    asked_s = worker.clock.now_s
    worker.clock.now_s += 0.1
    worker.life.told_to_drain(False)
    worker.life.described("first", up=True, draining=True, asked_s=asked_s)
    assert worker.life.state is WorkerState.ADMITTED


def test_how_long_a_worker_has_answered_begins_anew_with_every_miss():
    worker = Worker()
    worker.visited()
    worker.visited(4)
    assert worker.life.steady_s == 4
    worker.visited_in_vain()
    assert (worker.life.steady_s, worker.life.silent_s) == (0, 1)
    worker.visited()
    worker.visited(3)
    assert worker.life.steady_s == 3


def test_the_more_processes_of_a_worker_end_the_longer_it_must_work_before_streams_come_back_to_it():
    worker = Worker()
    worker.up = True
    waits = []
    for number in range(8):
        worker.process = f"process-{number}"
        worker.visited()
        waited_s = 1
        while not worker.life.is_steady:
            worker.visited()
            waited_s += 1
        waits.append(waited_s - 1)
    assert waits == [6, 6, 11, 21, 41, 81, 121, 121]
    worker.visited(seconds=700)
    worker.process = "after a long peace"
    worker.visited()
    worker.visited(seconds=6)
    assert worker.life.is_steady
