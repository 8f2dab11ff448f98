"""``hermes bench accuracy``: which memory policy lets a model answer best, on streams whose truth is known."""
