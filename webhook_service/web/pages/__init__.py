"""The pages for admins. `site` registers them."""
