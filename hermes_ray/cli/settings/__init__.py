"""``hermes config``, and the reference of settings that it prints."""
