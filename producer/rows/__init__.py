"""The rows of a job, which every table, page and summary displays: columns, and what decides."""
