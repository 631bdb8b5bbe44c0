-- The loops of relays that fail.
-- Each relay reports a failed pass by a call of its own, so the report does not depend on the function that failed. A relay that is killed
-- reports nothing more, and its rows no longer count after two minutes.

-- Records that a loop of a relay has failed for p_seconds, and why. Always returns true.
create or replace function public.auth_sync_loop_failed_v1(
  p_relay text, p_loop text, p_reason text, p_detail text, p_seconds double precision
) returns boolean language sql security definer set search_path = '' set lock_timeout = '1500ms' set statement_timeout = '3s' as $$
  delete from public.auth_sync_failing_loops where reported_at < now() - interval '1 day';
  insert into public.auth_sync_failing_loops (relay, loop, reason, detail, since)
  values (p_relay, p_loop, p_reason, p_detail, now() - make_interval(secs => p_seconds))
  on conflict (relay, loop) do update set reason = excluded.reason, detail = excluded.detail, reported_at = excluded.reported_at;
  select true
$$;

-- Records that a pass of a loop of this relay succeeded, or that the loop has ended. Always returns true.
create or replace function public.auth_sync_loop_recovered_v1(p_relay text, p_loop text) returns boolean
language sql security definer set search_path = '' set lock_timeout = '1500ms' set statement_timeout = '3s' as $$
  delete from public.auth_sync_failing_loops where relay = p_relay and loop = p_loop;
  select true
$$;

-- Returns the loops that fail in at least one relay, the one that has failed for longest first: [{"loop", "seconds": for how long, "relays":
-- in how many, "reason", "detail": of the newest failure}].
create or replace function public.auth_sync_failing_loops_v1() returns jsonb
language sql stable security definer set search_path = '' as $$
  select coalesce(jsonb_agg(to_jsonb(f) order by f.seconds desc, f.loop), '[]')
    from (select l.loop, round(greatest(extract(epoch from now() - min(l.since)), 0), 1) as seconds, count(*) as relays,
                 (array_agg(l.reason order by l.reported_at desc))[1] as reason,
                 (array_agg(l.detail order by l.reported_at desc))[1] as detail
            from public.auth_sync_failing_loops l
           where l.reported_at > now() - interval '2 minutes'
           group by l.loop) as f
$$;
