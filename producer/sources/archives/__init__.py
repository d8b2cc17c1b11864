"""Archives: zip, tar and compressed tar, read where they are."""
