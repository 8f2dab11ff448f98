"""What changes, told to whoever watches: one reading of the system for all of them."""
