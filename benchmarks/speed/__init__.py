"""The speed of the service, compared with the limit of its database and with services that call it once per event."""
