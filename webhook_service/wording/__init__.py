"""The texts that people see on several pages, by subject. Each is whole, with named values, ready for a translation."""
