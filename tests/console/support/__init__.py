"""What the tests of the console look at: an engine that has seen something, APIs over it, and the ways to them."""
