"""The machine, its paths, its route to the server."""
