"""Images at addresses: of object stores, and of web servers."""
