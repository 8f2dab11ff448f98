"""``hermes bench``: every claim about cost and accuracy, measured here, beside what it is compared with."""
