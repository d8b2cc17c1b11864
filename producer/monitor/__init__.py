"""What is installed, reachable and left (`hangtag doctor`); metrics for Prometheus."""
