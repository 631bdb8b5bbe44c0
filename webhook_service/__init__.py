"""Keeps Supabase Auth and a company's `employees` table in sync.

From Auth to employees: web.webhooks.receive -> inbound.signature.verify -> inbound.payload.parse
-> inbound.handlers.decide -> inbound.processing.process -> one SQL function (db/functions/process.sql).

From employees to Auth: a trigger on employees -> ledger row -> outbound.accounts -> Supabase Auth.
"""
