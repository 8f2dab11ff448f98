"""How long tests wait."""

LIMIT_S = 600.0
"""For something that must come. Only a hang takes so long: a machine under other load is slow, and not wrong."""
