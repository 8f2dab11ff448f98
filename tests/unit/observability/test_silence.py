from hermes_ray.observability.silence import silent_streams

NOW = 1_780_000_000_000


def test_a_stream_counts_for_every_silence_that_it_has_lasted():
    ages_s = [2, 61, 299, 300, 7_000, 90_000]
    newest = [NOW - 1000 * age for age in ages_s]
    assert silent_streams([*newest, None], NOW) == {60: 5, 300: 3, 3600: 2, 86400: 1}


def test_a_clock_that_is_ahead_is_not_silent():
    assert set(silent_streams([NOW + 60_000], NOW).values()) == {0}
