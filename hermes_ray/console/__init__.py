"""The console: a web page over the HTTP API. Only files; ``hermes_ray.api.routes.console`` serves them as they are."""
