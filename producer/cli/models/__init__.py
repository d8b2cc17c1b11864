"""Commands that train, show and manage versions and their data."""
