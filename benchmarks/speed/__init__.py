"""The speed of the service, beside the limit of its database and beside services that make one call per event."""
