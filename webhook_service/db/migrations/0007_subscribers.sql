-- Subscribers: other systems that get events of the ledger as signed webhooks, their deliveries, and the place in the ledger up to which
-- deliveries were made.

set local lock_timeout = '5s';

create table if not exists public.auth_sync_subscribers (
  id bigint generated always as identity primary key,
  name text not null,
  url text not null,
  secret text not null,
  former_secret text,
  former_secret_until timestamptz,
  types text[],
  allow_private boolean not null default false,
  created_at timestamptz not null default now(),
  active_since timestamptz not null default now(),
  former_periods tstzmultirange not null default '{}',
  disabled_at timestamptz,
  disabled_reason text,
  failures integer not null default 0,
  paused_until timestamptz,
  constraint reason_of_the_end check ((disabled_at is null) = (disabled_reason is null))
);
create unique index if not exists auth_sync_subscribers_name_idx on public.auth_sync_subscribers (name);
alter table public.auth_sync_subscribers enable row level security;
comment on table public.auth_sync_subscribers is 'webhook-service: other systems that get events as signed webhooks';
comment on column public.auth_sync_subscribers.secret is 'whsec_...: signs each delivery, so it must be readable; only service_role may read it';
comment on column public.auth_sync_subscribers.former_secret is 'the secret before the last rotation, which also signs until former_secret_until';
comment on column public.auth_sync_subscribers.types is 'the types of the events that the subscriber gets; null for all';
comment on column public.auth_sync_subscribers.allow_private is 'whether the URL may lead to a private address, if EVENT_PRIVATE_ADDRESSES is on';
comment on column public.auth_sync_subscribers.active_since is
  'when the subscriber was created, or last enabled; it gets the events that ended since then, until disabled_at';
comment on column public.auth_sync_subscribers.former_periods is
  'when the subscriber was active before it was last enabled; it still gets the events that ended then, until the feed has passed them';
comment on column public.auth_sync_subscribers.disabled_reason is 'admin: a person disabled it; gone: it answered 410';
comment on column public.auth_sync_subscribers.failures is 'the number of consecutive failed attempts of all its deliveries';
comment on column public.auth_sync_subscribers.paused_until is 'when relays try again, after a failed attempt';

-- The payload is a copy, because the ledger may be pruned before a delivery is done.
create table if not exists public.auth_sync_deliveries (
  id bigint generated always as identity primary key,
  subscriber_id bigint not null references public.auth_sync_subscribers (id) on delete cascade,
  webhook_id text not null,
  type text not null,
  payload jsonb not null,
  order_key text not null,
  status text not null default 'PENDING',
  attempts integer not null default 0,
  next_attempt_at timestamptz default now(),
  lease text,
  leased_until timestamptz,
  status_code integer,
  error text,
  created_at timestamptz not null default now(),
  completed_at timestamptz,
  constraint known_state check (status in ('PENDING', 'DONE', 'DEAD') and (status = 'PENDING') = (completed_at is null) and (status = 'PENDING') = (next_attempt_at is not null))
);
alter table public.auth_sync_deliveries enable row level security;
comment on table public.auth_sync_deliveries is 'webhook-service: one row for each event that a subscriber gets';
comment on column public.auth_sync_deliveries.webhook_id is 'the id of the event in each attempt: auth_sync_webhook_id_v1';
comment on column public.auth_sync_deliveries.order_key is
  'the employee, or an auth user without employee: its deliveries to a subscriber are made in the order of their ids';
comment on column public.auth_sync_deliveries.status is 'PENDING; DONE: the subscriber answered 2xx; DEAD: no longer retried, needs an admin';
comment on column public.auth_sync_deliveries.status_code is 'the HTTP status of the last answer; null if there was none';
comment on column public.auth_sync_deliveries.error is 'the stable reason of the last failed attempt';

create unique index if not exists auth_sync_deliveries_event_idx on public.auth_sync_deliveries (subscriber_id, webhook_id);
create index if not exists auth_sync_deliveries_due_idx
  on public.auth_sync_deliveries (subscriber_id, next_attempt_at, id) where status = 'PENDING';
create index if not exists auth_sync_deliveries_order_idx
  on public.auth_sync_deliveries (subscriber_id, order_key, id) where status = 'PENDING';
create index if not exists auth_sync_deliveries_dead_idx on public.auth_sync_deliveries (subscriber_id, id) where status = 'DEAD';
create index if not exists auth_sync_deliveries_completed_idx on public.auth_sync_deliveries (completed_at) where status <> 'PENDING';

-- The place in the ledger up to which its rows were read. Rows are written out of the order of their ids, and change after they were
-- written. So two tables remember the ids before this place that must be read again.
create table if not exists public.auth_sync_feed (
  only_row boolean primary key default true check (only_row),
  position bigint not null,
  event_id text
);
alter table public.auth_sync_feed enable row level security;
comment on table public.auth_sync_feed is 'webhook-service: the newest row of the ledger from which deliveries to subscribers were made';
comment on column public.auth_sync_feed.event_id is 'the event of this row; another event at the position shows that the ids have begun again';

create table if not exists public.auth_sync_feed_open (
  log_id bigint primary key
);
alter table public.auth_sync_feed_open enable row level security;
comment on table public.auth_sync_feed_open is 'webhook-service: rows of the ledger that had not ended when the feed read them';

create table if not exists public.auth_sync_feed_gaps (
  first_id bigint primary key,
  last_id bigint not null,
  running text[] not null
);
alter table public.auth_sync_feed_gaps enable row level security;
comment on table public.auth_sync_feed_gaps is 'webhook-service: ids of the ledger that the feed did not find, and that a running transaction may still commit';
comment on column public.auth_sync_feed_gaps.running is 'the virtual ids of the transactions that were running at that time';
