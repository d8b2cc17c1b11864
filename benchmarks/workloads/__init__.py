"""Images and networks to measure with."""
