"""The HTTP API: the Serve application, its schemas and errors."""
