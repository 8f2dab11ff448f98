"""``hermes demo``: the whole system on one machine, with cameras, questions and a live table."""
