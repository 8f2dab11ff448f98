"""Frames before they are encoded: prepared, compared, in line, and chosen for a step."""
