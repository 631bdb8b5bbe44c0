"""How fast the service is, beside the limit of its database and beside services that make one call per event."""
