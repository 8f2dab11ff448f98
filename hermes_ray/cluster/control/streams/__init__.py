"""Which streams there are, who owns each, and who is to: plain decisions, and what they are carried out with."""
