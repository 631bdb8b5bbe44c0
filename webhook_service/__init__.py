"""Keeps Supabase Auth and a company's `employees` table in step. The trip of an event:

web.webhooks.receive -> signature.verify -> payload.parse -> handlers.decide -> processing.process -> one SQL function.
"""
