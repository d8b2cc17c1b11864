"""The versions of models as a command reads them: from the store, or its copies in Redis."""
