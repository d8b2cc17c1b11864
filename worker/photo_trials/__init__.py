"""Whole networks that learn from photos, measured on one fold: fine-tuned, or from scratch."""
