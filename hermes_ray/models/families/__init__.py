"""One adapter per model family, and the registry of them. A new family is a module here."""
