"""One module of routes per concern."""
