"""Cameras: sources that are live, and read through any number of disconnections."""
