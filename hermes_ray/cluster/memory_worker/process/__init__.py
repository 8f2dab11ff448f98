"""The worker's process: how it gets its engine, shows that it lives, refuses who is out of date, and ends."""
