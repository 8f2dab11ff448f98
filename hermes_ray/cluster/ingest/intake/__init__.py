"""From a record to the frames that its stream's memory is to see, and what is known of each stream for that."""
