"""The sentences of the timeline. Each is whole, with named values, so that a translation needs only this module."""

from webhook_service.wording.employees import NO_ANSWER

CHANGED = {
    "name": "Name changed from {before} to {after} by Supabase Auth",
    "name.added": "Name set to {after} by Supabase Auth",
    "name.removed": "Name {before} removed after a change in Supabase Auth",
    "email": "E-mail changed from {before} to {after} by Supabase Auth",
    "email.added": "E-mail set to {after} by Supabase Auth",
    "email.removed": "E-mail {before} removed after a change in Supabase Auth",
}
"""The changes of an employee. `name` has the first name, the last name or both."""

EVENTS = {
    "linked": "Login linked by its confirmed e-mail",
    "linked.number": "Login linked by its employee number",
    "synced": "Change in Supabase Auth copied to the employee",
    "unchanged": "Change of the login in Supabase Auth: the employee had these values already",
    "unchanged.INSERT": "Login created in Supabase Auth: the employee had these values already",
    "orphaned": "Login deleted in Supabase Auth",
    "unmatched": "Change of the login in Supabase Auth, when no employee matched it yet",
    "unmatched.INSERT": "Login created in Supabase Auth, when no employee matched it yet",
    "unmatched.DELETE": "Login deleted in Supabase Auth, when it belonged to nobody",
    "unconfirmed": "Login not linked: its e-mail was not confirmed yet",
    "ignored": "Login not linked: it is anonymous",
    "stale": "Outdated change of the login left out, because a newer one was applied",
    "pending": "Change of the login in Supabase Auth, waiting for its turn",
}
"""The results of events, by outcome, and by operation where it differs."""

NOT_APPLIED = "Not applied: {reason}"
NOT_APPLIED_AT_FIRST = "Not applied at first: {reason}"
TRIED = "Tried {times} times."

FAILURES = {
    "ambiguous": "several employees match",
    "already_linked": "the matching employee has another login",
    "email_taken": "another employee has this e-mail",
    "employee_rejected": "{rule}",
    "unreadable": "the recorded change cannot be read",
    "not_applied": "the database could not save it",
}
"""Why an event was not applied."""

ACTIONS = {
    "disable_auth_user.disabled": "Login disabled in Supabase Auth after deactivation",
    "disable_auth_user.unchanged": "Login was disabled in Supabase Auth already",
    "disable_auth_user.gone": "Login did not have to be disabled, because it no longer exists",
    "disable_auth_user.stale": "Login did not have to be disabled any more",
    "disable_auth_user.pending": "Login is being disabled in Supabase Auth",
    "disable_auth_user.failed": "Login not disabled: {reason}",
    "enable_auth_user.enabled": "Login enabled in Supabase Auth after activation",
    "enable_auth_user.unchanged": "Login was enabled in Supabase Auth already",
    "enable_auth_user.gone": "Login not enabled, because it no longer exists",
    "enable_auth_user.stale": "Login did not have to be enabled any more",
    "enable_auth_user.pending": "Login is being enabled in Supabase Auth",
    "enable_auth_user.failed": "Login not enabled: {reason}",
    "update_auth_email.email_updated": "E-mail of the login changed to {email} in Supabase Auth",
    "update_auth_email.unchanged": "Login had the e-mail {email} in Supabase Auth already",
    "update_auth_email.gone": "E-mail of the login not changed, because the login no longer exists",
    "update_auth_email.stale": "E-mail of the login did not have to be changed any more",
    "update_auth_email.pending": "E-mail of the login is being changed to {email} in Supabase Auth",
    "update_auth_email.failed": "E-mail of the login not changed to {email}: {reason}",
    "create_auth_user.created": "Login {email} created",
    "create_auth_user.linked": "Login {email} given",
    "create_auth_user.linked.by": "Login {email} given by {who}",
    "create_auth_user.created.by": "Login {email} created by {who}",
    "create_auth_user.undone": "Login {email} not created, and undone",
    "create_auth_user.stale": "Login {email} did not have to be created any more",
    "create_auth_user.pending": "Login {email} is being created",
    "create_auth_user.failed": "Login {email} not created: {reason}",
}
"""The results of actions, by operation and outcome."""

ACTION_FAILURES = {
    "user_not_found": "Supabase does not know the login",
    "email_taken": "another login has this e-mail",
    "auth_refused": "Supabase refused it",
    "auth_unavailable": NO_ANSWER,
    "not_performed": "Supabase did not keep the change",
    "changed_by_client": "a user wrote the change without proof, so it waits for approval",
}
"""Why an action was not performed."""

UNKNOWN_FAILURE = "the reason is not known"
OTHER = "{operation}: {outcome}"

ACTS = {
    "activate": "Activated by {who}",
    "deactivate": "Deactivated by {who}",
    "edit an employee": "Edited by {who}",
    "edit an employee and activate": "Edited and activated by {who}",
    "edit an employee and deactivate": "Edited and deactivated by {who}",
    "link a login": "Login given by {who}",
    "take a login away": "Login taken away by {who}",
    "move a login": "Login moved to this employee by {who}",
    "create a login": "New login made by {who}",
    "set a temporary password": "New temporary password set by {who}",
    "send an invitation": "Invitation sent again by {who}",
    "replay": "Tried again by {who}",
    "dismiss": "Dismissed by {who}: “{reason}”",
    "create an employee": "Added by {who}",
    "manage an employee": "Managed by {who} from now on",
    "delete an employee": "Deleted by {who}",
    "release an employee from a directory": "Released from the directory by {who}",
    "dropped the change of a client": "Change of a user dropped by {who}",
}
"""The acts of admins, by the audit's words."""

REFUSED = {
    "activate": "Not activated by {who}: {reason}",
    "deactivate": "Not deactivated by {who}: {reason}",
    "edit an employee": "Not edited by {who}: {reason}",
    "link a login": "Login not given by {who}: {reason}",
    "take a login away": "Login not taken away by {who}: {reason}",
    "move a login": "Login not moved by {who}: {reason}",
    "create a login": "No login made by {who}: {reason}",
    "set a temporary password": "No temporary password set by {who}: {reason}",
    "send an invitation": "No invitation sent by {who}: {reason}",
    "replay": "Not tried again by {who}: {reason}",
    "dismiss": "Not dismissed by {who}: {reason}",
}
"""The acts of admins that were refused."""

OTHER_ACT = "{who}: {action}"
OTHER_REFUSED = "{who}: {action}, refused: {reason}"
UNDER_WAY = "In progress."
NOT_KNOWN = "Whether it was done is not known."
EDITED = "Changed: {columns}."
