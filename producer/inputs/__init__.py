"""What a job is asked to do: its options, its budget, and what it leaves out."""
