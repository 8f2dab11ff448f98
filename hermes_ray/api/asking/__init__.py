"""From a question that came in to its answer."""
