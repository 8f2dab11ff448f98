"""Frames into the slab: the passes that encode and probe them, and compaction."""
