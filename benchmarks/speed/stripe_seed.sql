insert into stripe.customers (id, object, email, name, created, invoice_prefix, livemode, metadata, invoice_settings, last_synced_at)
select 'cus_' || n, 'customer', 'person' || n || '@example.com', 'First' || n || ' Last' || n, 1767225600, lpad(n::text, 8, '0'), false, '{}',
       '{"custom_fields": null, "default_payment_method": null, "footer": null}', '2026-01-01'
  from generate_series(1, :employees) as n;
