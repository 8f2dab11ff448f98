"""The snapshot store: how its files are written, what each is called, and what is kept beside snapshots."""
