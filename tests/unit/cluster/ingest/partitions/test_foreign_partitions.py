from hermes_ray.cluster.ingest.partitions.foreign_partitions import ForeignPartitions


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        self.now_s += 1.0
        return self.now_s


def test_a_stream_waits_until_all_its_former_partitions_are_committed_so_far() -> None:
    elsewhere = ForeignPartitions(60, Clock())
    commits: dict[int, int | None] = {0: None, 1: 7}
    assert not elsewhere.are_read("cam", {0: 5, 1: 7}, commits.get)
    commits[0] = 4
    assert not elsewhere.are_read("cam", {0: 5, 1: 7}, commits.get)
    commits[0] = 5
    assert elsewhere.are_read("cam", {0: 5, 1: 7}, commits.get)


def test_two_workers_that_wait_for_each_other_do_not_wait_for_ever() -> None:
    elsewhere = ForeignPartitions(10, Clock())
    answers = [elsewhere.are_read("cam", {0: 5}, {0: 3}.get) for _ in range(12)]
    assert answers.index(True) in range(10, 12)


def test_patience_lasts_while_commits_go_on() -> None:
    elsewhere = ForeignPartitions(10, Clock())
    assert not any(elsewhere.are_read("cam", {0: 999}, {0: number}.get) for number in range(100))


def test_the_broker_is_asked_now_and_then_only() -> None:
    now_s = 0.0
    asked: list[int] = []
    elsewhere = ForeignPartitions(60, lambda: now_s)
    for step in range(100):
        now_s = step / 100
        elsewhere.are_read("cam", {0: 5}, asked.append)
    assert len(asked) == 2
