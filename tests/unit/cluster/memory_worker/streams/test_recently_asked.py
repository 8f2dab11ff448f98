from hermes_ray.cluster.memory_worker.streams.recently_asked import RecentlyAsked


def test_streams_are_told_by_when_they_were_last_asked_about():
    now = [0.0]
    asked = RecentlyAsked(lambda: now[0])
    for at_s, stream in [(0, "a"), (10, "b"), (20, "a"), (30, "c")]:
        now[0] = at_s
        asked.asked(stream)
    assert asked.streams() == ("c", "a", "b")
    now[0] = 315
    assert asked.streams() == ("c", "a")
    for number in range(1000):
        asked.asked(f"cam-{number}")
    assert asked.streams() == tuple(f"cam-{number}" for number in range(999, 899, -1))
