"""What Hangtag is compared with."""
