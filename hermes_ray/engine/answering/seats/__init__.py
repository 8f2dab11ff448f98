"""Private copies of memories, and the passes that read questions and tokens on them."""
