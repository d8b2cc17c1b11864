"""The contenders of the benchmarks."""
