"""Commands that classify pictures, and that follow and cancel jobs."""
