"""``hermes cameras``: one file of cameras, each published on its own."""
