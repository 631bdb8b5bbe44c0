-- The directories that push employees in by SCIM: their tokens, and the employees that each directory has linked or manages.

set local lock_timeout = '5s';

create table if not exists public.auth_sync_scim_clients (
  client_id bigint generated always as identity primary key,
  name text not null,
  created_at timestamptz not null default now(),
  requests_left numeric not null default 0,
  refilled_at timestamptz not null default '-infinity'
);
create unique index if not exists auth_sync_scim_clients_name_key on public.auth_sync_scim_clients (name);
alter table public.auth_sync_scim_clients enable row level security;
comment on table public.auth_sync_scim_clients is
  'webhook-service: the directories that push employees in by SCIM; all tokens with one name are of one directory';
comment on column public.auth_sync_scim_clients.requests_left is 'the requests of SCIM_RATE that were left at refilled_at';

create table if not exists public.auth_sync_scim_tokens (
  token_id bigint generated always as identity primary key,
  client_id bigint not null references public.auth_sync_scim_clients (client_id) on delete cascade,
  hash text not null,
  created_by text not null,
  created_at timestamptz not null default now(),
  last_used_at timestamptz,
  revoked_at timestamptz,
  revoked_by text
);
create unique index if not exists auth_sync_scim_tokens_hash_key on public.auth_sync_scim_tokens (hash);
create index if not exists auth_sync_scim_tokens_client_idx on public.auth_sync_scim_tokens (client_id) where revoked_at is null;
alter table public.auth_sync_scim_tokens enable row level security;
comment on table public.auth_sync_scim_tokens is 'webhook-service: the tokens of directories';
comment on column public.auth_sync_scim_tokens.hash is 'the SHA-256 of the token, in hexadecimal digits; the token itself is not stored';
comment on column public.auth_sync_scim_tokens.last_used_at is 'when the token was last used, to the minute';

create table if not exists public.auth_sync_scim_people (
  client_id bigint not null references public.auth_sync_scim_clients (client_id) on delete cascade,
  employee_id bigint not null,
  external_id text,
  user_name text,
  email_parts jsonb,
  manages boolean not null default true,
  hidden_at timestamptz,
  created_at timestamptz not null default now(),
  modified_at timestamptz not null default now(),
  primary key (client_id, employee_id)
);
create unique index if not exists auth_sync_scim_people_external_key
  on public.auth_sync_scim_people (client_id, external_id) where external_id is not null;
create unique index if not exists auth_sync_scim_people_name_key
  on public.auth_sync_scim_people (lower(user_name collate "C"), client_id) where user_name is not null;
create unique index if not exists auth_sync_scim_people_manager_key on public.auth_sync_scim_people (employee_id) where manages;
create index if not exists auth_sync_scim_people_employee_idx on public.auth_sync_scim_people (employee_id);
create index if not exists auth_sync_scim_people_hidden_idx
  on public.auth_sync_scim_people (client_id, employee_id) where hidden_at is not null;
alter table public.auth_sync_scim_people enable row level security;
comment on table public.auth_sync_scim_people is 'webhook-service: the employees that a directory has written';
comment on column public.auth_sync_scim_people.external_id is 'the name of the person in the directory (externalId)';
comment on column public.auth_sync_scim_people.user_name is
  'the userName as the directory has sent it; null if it has not, and then the userName is the e-mail';
comment on column public.auth_sync_scim_people.email_parts is
  'the value, type and primary of the e-mail as the directory has sent them; null if it has sent no emails, and then its userName changes the e-mail';
comment on column public.auth_sync_scim_people.manages is
  'whether the directory was the last to write the employee; only this directory may write it while one of its tokens is valid';
comment on column public.auth_sync_scim_people.hidden_at is 'when the directory deleted the person, who does not exist for it since';
