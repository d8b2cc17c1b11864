"""Recipes: networks and their training parameters."""
