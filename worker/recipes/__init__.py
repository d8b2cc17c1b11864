"""Recipes: networks and how they are trained."""
