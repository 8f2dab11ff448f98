"""Many askers at once: over HTTP as JSON and as events, and the engine alone."""
