"""A database webhook as Supabase's dashboard makes it. It posts whole rows, unsigned, with a static token."""

from tests.auth_traffic import SECRET
from tests.employees import Connection
from webhook_service.inbound.signature import TOKEN_HEADER, mint_token, parse_secrets

TOKEN = mint_token(parse_secrets(SECRET), "dashboard")

# Supabase's supabase_functions.http_request(url, method, headers, params, timeout_ms), which posts through the double
# of pg_net.
HTTP_REQUEST = """
create schema supabase_functions;
grant usage on schema supabase_functions to public;
create function supabase_functions.http_request() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform net.http_post(
    tg_argv[0],
    jsonb_build_object('old_record', case when tg_op <> 'INSERT' then to_jsonb(old) end,
                       'record', case when tg_op <> 'DELETE' then to_jsonb(new) end,
                       'type', tg_op, 'table', tg_table_name, 'schema', tg_table_schema),
    '{}', tg_argv[2]::jsonb, tg_argv[4]::integer);
  return case when tg_op = 'DELETE' then old else new end;
end $$
"""


def make_webhook(connection: Connection, url: str) -> None:
    """Create a webhook that posts all events of auth.users to this URL with the token as a header.

    The dashboard creates the same webhook.
    """
    connection.execute(HTTP_REQUEST.encode())
    headers = f'{{"Content-Type": "application/json", "{TOKEN_HEADER}": "{TOKEN}"}}'
    connection.execute(
        "create trigger dashboard after insert or update or delete on auth.users for each row execute function"  # noqa: S608
        f" supabase_functions.http_request('{url}', 'POST', '{headers}', '{{}}', '5000')".encode()
    )
