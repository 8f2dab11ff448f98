"""What runs before any route."""
