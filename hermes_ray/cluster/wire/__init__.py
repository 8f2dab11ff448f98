"""What the actors tell each other and their callers, how they call, and how calls fail."""
