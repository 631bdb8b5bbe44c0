-- The last complete comparison of auth.users with employees. Until there is one, nobody knows the logins from before the installation.

-- Records a complete comparison. p_result has "users", "differences" ({kind: count}), and optionally "shown" and "planned". With p_is_dry the
-- differences were only found. Always returns true.
create or replace function public.auth_sync_note_comparison_v1(p_who text, p_is_dry boolean, p_result jsonb) returns boolean
language sql security definer set search_path = '' set lock_timeout = '1500ms' as $$
  insert into public.auth_sync_comparison (at, who, is_dry, users, differences, details)
  values (now(), coalesce(p_who, 'reconcile'), p_is_dry, coalesce((p_result ->> 'users')::bigint, 0), coalesce(p_result -> 'differences', '{}'),
          jsonb_strip_nulls(jsonb_build_object('shown', p_result -> 'shown', 'planned', p_result -> 'planned')))
  on conflict (only_row) do update
     set at = excluded.at, who = excluded.who, is_dry = excluded.is_dry, users = excluded.users, differences = excluded.differences,
         details = excluded.details;
  select true
$$;

-- Returns the last comparison in short: {"can_compare": whether this database has auth.users, "seconds": age, or null if there was none,
-- "is_dry", "count": number of differences}.
create or replace function public.auth_sync_compared_v1() returns jsonb
language sql stable security definer set search_path = '' as $$
  select jsonb_build_object(
    'can_compare', public.auth_sync_relation_v1('auth.users') is not null,
    'seconds', extract(epoch from now() - c.at), 'is_dry', c.is_dry,
    'count', (select coalesce(sum(value::bigint), 0) from jsonb_each_text(c.differences)))
    from (select true) as one left join public.auth_sync_comparison c on true
$$;

-- Returns the last comparison, or null: {"at", "seconds", "who", "is_dry", "users", "differences", "planned": {kind: count} or null, "shown":
-- the first differences of a run, or the first people that a run would change, [{kind, auth_user_id, employee_id, name, email}], with the
-- current name of the employee and e-mail of the login}.
create or replace function public.auth_sync_comparison_v1() returns jsonb
language sql stable security definer set search_path = '' set plan_cache_mode = force_custom_plan set enable_seqscan = off set jit = off as $$
  select jsonb_build_object(
    'at', c.at, 'seconds', extract(epoch from now() - c.at), 'who', c.who, 'is_dry', c.is_dry, 'users', c.users, 'differences', c.differences,
    'planned', c.details -> 'planned',
    'shown', (
      select coalesce(jsonb_agg(to_jsonb(d) || jsonb_build_object(
               'name', nullif(concat_ws(' ', e.person ->> 'first_name', e.person ->> 'last_name'), ''),
               'email', coalesce(s.email, d.email, e.person ->> 'email')) order by d.place), '[]')
        from (select x.place, x.item ->> 'kind' as kind, (x.item ->> 'auth_user_id')::uuid as auth_user_id,
                     (x.item ->> 'employee_id')::bigint as employee_id, x.item ->> 'email' as email
                from jsonb_array_elements(c.details -> 'shown') with ordinality as x (item, place)) as d
        left join lateral (select to_jsonb(e.*) as person from public.employees e where e.employee_id = d.employee_id offset 0) as e on true
        left join lateral (select s.email from public.auth_user_state s where s.auth_user_id = d.auth_user_id offset 0) as s on true))
    from public.auth_sync_comparison c
$$;
