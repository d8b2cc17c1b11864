"""What is installed, reachable and left on this machine: the findings of `hangtag doctor`."""
