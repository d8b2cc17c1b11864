"""Local pages on which people label images: of a folder, or of the rows of a table."""
