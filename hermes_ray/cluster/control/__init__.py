"""The Coordinator: who owns what, which workers there are, and bring-up."""
