"""Images in files of this machine: folders, patterns and single files."""
