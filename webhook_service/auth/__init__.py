"""The Auth Admin API: Supabase's own, and its stand-in for where there is no Supabase."""
