"""The Ray Serve application: HTTP routes, schemas and errors."""
