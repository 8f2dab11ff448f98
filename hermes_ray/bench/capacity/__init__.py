"""How many cameras a machine carries, and which part of it is full then."""
