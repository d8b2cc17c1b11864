"""The local pages on which people label images and review answers, served to one person."""
