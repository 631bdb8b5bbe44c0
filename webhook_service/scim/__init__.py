"""The SCIM 2.0 server (RFC 7643, RFC 7644), by which directories such as Okta and Entra write employees."""
