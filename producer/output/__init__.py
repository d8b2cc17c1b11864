"""What people and files get: tables, images, progress, text."""
