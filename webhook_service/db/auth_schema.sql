-- A stand-in for Supabase's schema `auth` on a plain PostgreSQL (15 or newer) without a Supabase project: for the embedded server, the demo
-- and the tests. It is not a migration. Run it as a superuser, after creating the roles anon, authenticated and service_role.
--
-- It has only the parts of Auth that this service uses: the role that Auth writes as, auth.users with its 35 columns, constraints and
-- privileges, and the columns of auth.sessions that identify a signed-in user. Source: the migrations of supabase/auth (v2.196), and the
-- roles of Supabase's PostgreSQL image.
--
-- The script never changes a real project. If auth.users exists, it only adds the objects that an older stand-in lacks. It recognizes a
-- real project by its other objects: Auth's first migration creates more than one table, and every Supabase project has the functions
-- auth.uid() and auth.role(). The script is one statement, so that every tool runs it completely or not at all, and several processes may
-- run it at once.

do $$
declare
  migrator text;
begin
  perform pg_advisory_xact_lock(4186320975512668047);
  if to_regclass('auth.users') is not null then
    if exists (select from pg_catalog.pg_proc where pronamespace = 'auth'::regnamespace)
       or exists (select from pg_catalog.pg_class where relnamespace = 'auth'::regnamespace
                     and relkind <> 'i' and oid <> 'auth.users'::regclass)
       or not exists (select from pg_catalog.pg_class where oid = 'auth.users'::regclass
                         and relowner = to_regrole('supabase_auth_admin') and relnatts = 35) then
      return;
    end if;
  else
    -- The lock covers this database only, but a role belongs to the whole server. A process in another database may create the role first.
    begin
      create role supabase_auth_admin nologin;
      alter role supabase_auth_admin set search_path = auth;
    exception when duplicate_object or unique_violation then
      null;
    end;

    create schema if not exists auth authorization supabase_auth_admin;

    create table auth.users (
      instance_id uuid,
      id uuid not null,
      aud varchar(255),
      role varchar(255),
      email varchar(255),
      encrypted_password varchar(255),
      email_confirmed_at timestamptz,
      invited_at timestamptz,
      confirmation_token varchar(255),
      confirmation_sent_at timestamptz,
      recovery_token varchar(255),
      recovery_sent_at timestamptz,
      email_change_token_new varchar(255),
      email_change varchar(255),
      email_change_sent_at timestamptz,
      last_sign_in_at timestamptz,
      raw_app_meta_data jsonb,
      raw_user_meta_data jsonb,
      is_super_admin boolean,
      created_at timestamptz,  -- no default, as for updated_at: Auth sets both, and nothing else changes updated_at
      updated_at timestamptz,
      phone text,
      phone_confirmed_at timestamptz,
      phone_change text default '',
      phone_change_token varchar(255) default '',
      phone_change_sent_at timestamptz,
      confirmed_at timestamptz generated always as (least(email_confirmed_at, phone_confirmed_at)) stored,
      email_change_token_current varchar(255) default '',
      email_change_confirm_status smallint default 0 check (email_change_confirm_status between 0 and 2),
      banned_until timestamptz,
      reauthentication_token varchar(255) default '',
      reauthentication_sent_at timestamptz,
      is_sso_user boolean not null default false,
      deleted_at timestamptz,
      is_anonymous boolean not null default false,
      constraint users_pkey primary key (id),
      constraint users_phone_key unique (phone)
    );
    -- Several SSO users and one other user may share an e-mail.
    create unique index users_email_partial_key on auth.users (email) where is_sso_user = false;
    alter table auth.users owner to supabase_auth_admin;
    alter table auth.users enable row level security;  -- the table has no policies
  end if;

  create table auth.sessions (
    id uuid not null,
    user_id uuid not null,
    created_at timestamptz,
    updated_at timestamptz,
    aal text,  -- Auth has an enum type for it
    not_after timestamptz,
    refreshed_at timestamp,
    constraint sessions_pkey primary key (id),
    constraint sessions_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade
  );
  create index sessions_user_id_idx on auth.sessions (user_id);
  alter table auth.sessions owner to supabase_auth_admin;
  alter table auth.sessions enable row level security;

  -- The role that migrates may read, write and add triggers to both tables, but may create nothing in the schema.
  for migrator in select rolname from pg_catalog.pg_roles where rolname in ('postgres', current_user) loop
    execute format('grant usage on schema auth to %I', migrator);
    execute format('grant select, insert, update, delete, references, trigger on auth.users, auth.sessions to %I',
                   migrator);
  end loop;
  -- The roles of the Data API may use the schema, but none of them, not even service_role, may read the tables.
  grant usage on schema auth to anon, authenticated, service_role;
end $$;
