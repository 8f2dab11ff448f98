"""``hermes watch``: a recording or a camera and questions about it, in one process."""
