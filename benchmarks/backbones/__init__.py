"""Makes the backbones that ship: weights of two packages, to Keras, to int8 for LiteRT."""
