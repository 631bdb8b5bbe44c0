"""The Auth Admin API of Supabase, and its stand-in for use without Supabase."""
