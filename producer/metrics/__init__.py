"""Metrics of the whole fleet, for Prometheus."""
