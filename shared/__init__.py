"""What producer and worker agree on: wire structs, settings, the ledger, the registry, errors."""
