"""`python -m worker.labelling`: what a page for the first labels shows next."""
