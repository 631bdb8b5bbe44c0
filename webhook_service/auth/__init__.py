"""The Auth Admin API: Supabase's own, and its stand-in for use without Supabase."""
