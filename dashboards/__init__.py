"""Grafana dashboards and Prometheus rules of hermes-ray."""
