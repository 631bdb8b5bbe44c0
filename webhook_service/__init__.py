"""Keeps Supabase Auth and a company's `employees` table in step. The trip of an event:

web.webhooks.receive -> inbound.signature.verify -> inbound.payload.parse -> inbound.handlers.decide
-> inbound.processing.process -> one SQL function (db/functions/process.sql).

The other way: a trigger on employees -> ledger row -> outbound.accounts -> Supabase Auth.
"""
