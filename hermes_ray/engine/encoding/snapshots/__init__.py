"""A stream between two steps as a file and back, and whether a stranger's file can be true."""
