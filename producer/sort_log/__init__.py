"""The log of a sort, and the record by which a sorted folder is found."""
