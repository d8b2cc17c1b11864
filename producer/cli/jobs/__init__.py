"""Commands that classify images, and that follow and cancel jobs."""
