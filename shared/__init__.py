"""Shared by producer and worker: wire structs, settings, the ledger, the registry, errors."""
