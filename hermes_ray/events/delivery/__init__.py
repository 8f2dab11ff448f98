"""Who is told of events: targets of the settings, each with a position of its own in the database."""
