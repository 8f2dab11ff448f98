"""Standing questions on the simulated camera, whose truth is known: what they find, how soon, and what they cost."""
