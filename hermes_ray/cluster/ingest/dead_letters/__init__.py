"""Records that cannot be used, until each one's dead letter is safe."""
