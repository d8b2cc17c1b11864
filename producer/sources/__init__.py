"""Where the images of a job are: an abstract source, and a module or folder for each kind."""
