"""A reader for each public benchmark: what is asked when, in which words, and what is right."""
