"""The ``hermes`` command."""
