"""From a name to a model: what it is, what it needs, its files, and loading it."""
