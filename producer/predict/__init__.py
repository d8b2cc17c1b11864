"""Labels and probabilities of a few images, as text and as a plot."""
