"""Is imported by each Python process that a test of the mutants starts."""

from tests.mutants.guards import active

active.install_here()
