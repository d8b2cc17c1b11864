"""What people see while a command works: notices, progress and time left."""
