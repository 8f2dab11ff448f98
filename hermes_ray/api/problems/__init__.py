"""Errors of the HTTP API."""
