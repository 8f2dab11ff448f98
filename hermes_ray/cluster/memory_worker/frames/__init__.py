"""From frames that are handed in to their memory, with what is due at each, and the events found on their way out."""
