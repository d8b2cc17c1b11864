"""The images and networks of the benchmarks."""
