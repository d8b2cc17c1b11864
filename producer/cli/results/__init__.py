"""Commands about the table of a finished or running job."""
