"""The Database port over supabase-py and over psycopg, the embedded PostgreSQL, and the migrations."""
