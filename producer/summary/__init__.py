"""Results: the summaries at the end of classify, predict, train and evaluate."""
