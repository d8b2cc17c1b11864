"""A version is trained from a recipe and a data set; a learner for each kind of recipe."""
