"""The pages for admins. `site` puts them together."""
