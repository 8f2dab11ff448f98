"""Who keeps events: a database, what is read from it, and who is told. Plain Python: neither Ray nor HTTP servers."""
