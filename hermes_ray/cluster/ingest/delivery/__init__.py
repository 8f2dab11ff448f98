"""From the outbox to the streams' owners, until frames are safe."""
