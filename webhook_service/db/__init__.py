"""The adapters of the Database port (supabase-py and psycopg), the embedded PostgreSQL, and the migrations."""
