"""Reads, checks and describes the networks that other tools made."""
