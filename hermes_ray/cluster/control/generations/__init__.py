"""One cluster at a time owns the streams of a snapshot store, and their commits; others wait, or hand over."""
