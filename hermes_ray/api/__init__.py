"""The HTTP API: the Serve application, its schemas and errors, and a Python client for it."""
