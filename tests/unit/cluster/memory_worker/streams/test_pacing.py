import random

from hermes_ray.cluster.memory_worker.streams.pacing import Pace


def test_transfers_stay_below_the_rate_however_they_come():
    now_s, sent = 50.0, 0
    pace = Pace(1000, now_s=lambda: now_s)
    chance = random.Random(0)
    for _ in range(200):
        size = chance.randrange(1, 5000)
        sent += size
        now_s += pace.delay_s(size)
        assert sent <= 1000 * (now_s - 50.0) + 1e-6
        now_s += chance.choice([0, 0, 0.5])


def test_a_pause_earns_no_credit():
    now_s = 0.0
    pace = Pace(1000, now_s=lambda: now_s)
    now_s = 3600.0
    assert [pace.delay_s(2000) for _ in range(3)] == [2.0, 4.0, 6.0]


def test_without_a_bound_nothing_waits():
    pace = Pace(None)
    assert [pace.delay_s(10**12) for _ in range(3)] == [0.0, 0.0, 0.0]
