"""How soon a running system is itself again after a process was killed, and what the rest of it notices meanwhile."""
