"""`python -m worker.thumbnails`: small pictures for people, made in processes that may die."""
