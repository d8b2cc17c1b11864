"""The machine, the benchmark's paths, the route to the server."""
