"""Several receivers and relays on one PostgreSQL, each on a host of its own (a network namespace)."""
