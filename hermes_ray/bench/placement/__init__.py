"""``hermes bench placement``: a large cluster's streams and workers on paper, by the real placement code."""
