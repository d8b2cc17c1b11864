"""What people type: discovery, journal, dispatch, collecting, tables, this machine's stack."""
