"""From a question that is handed in to what its answer has to say."""
