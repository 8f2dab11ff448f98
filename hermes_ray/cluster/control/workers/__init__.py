"""The workers' processes: how many, whether each lives, what it is told, and what it said last."""
