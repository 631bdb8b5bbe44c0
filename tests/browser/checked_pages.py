"""The pages that test_accessibility opens, and the pages of the dashboard that it need not open."""

PAGES = {
    "overview": "/admin/auth-sync",
    "inbox": "/admin/inbox",
    "events": "/admin/events",
    "events, sorted and filtered": "/admin/events?status=FAILED&outcome=ambiguous&person=frontdesk@example.com",
    "events, all on the page selected": "/admin/events?select=page",
    "events, unknown filter": "/admin/events?colour=blue",
    "events, no match": "/admin/events?person=nobody@example.com",
    "events, wrong filter": "/admin/events?since=yesterday",
    "event, ambiguous": "/admin/events/{ambiguous}",
    "event, rejected": "/admin/events/{rejected}",
    "event, succeeded": "/admin/events/{linked}",
    "event of an action": "/admin/events/{disabled}",
    "replays": "/admin/replays",
    "new replay": "/admin/replays/new",
    "new replay, previewed": "/admin/replays/new?status=FAILED",
    "replay under way": "/admin/replays/{replay}",
    "everyone": "/admin/employees",
    "employees, found and sorted": "/admin/employees?person=a&sort=-name",
    "employees, all on the page selected": "/admin/employees?sort=-id&select=page",
    "employees, no match": "/admin/employees?person=nobody@example.com",
    "employees, unknown order": "/admin/employees?sort=salary",
    "employees, unknown list": "/admin/employees?sync_status=BLUE",
    "unusable e-mail": "/admin/employees?sync_status=UNUSABLE_EMAIL",
    "same number": "/admin/employees?sync_status=SAME_NUMBER",
    "no login": "/admin/employees?sync_status=MISSING_AUTH_UID",
    "inactive with a login": "/admin/employees?sync_status=INACTIVE_WITH_AUTH",
    "orphaned": "/admin/employees?sync_status=ORPHANED",
    "e-mail differs": "/admin/employees?sync_status=EMAIL_MISMATCH",
    "ambiguous": "/admin/employees?sync_status=AMBIGUOUS",
    "employee": "/admin/employees/1",
    "employee who is banned": "/admin/employees/{banned}",
    "employee who can still sign in": "/admin/employees/{still_in}",
    "employee with a shared number": "/admin/employees/{same_number}",
    "employee who needs a login": "/admin/employees/{needs_login}",
    "edit an employee": "/admin/employees/{needs_login}/edit",
    "give a login": "/admin/employees/{needs_login}/login?auth_user_id=frontdesk@example.com",
    "new employee": "/admin/employees/new",
    "import": "/admin/employees/import",
    "import, no such file": "/admin/employees/import/00000000-0000-4000-8000-000000000000",
    "comparison": "/admin/comparison",
    "setup": "/admin/setup",
    "audit": "/admin/audit",
    "docs of the API": "/admin/api/docs",
    "no such page": "/admin/events/nothing",
}
"""Each state of a page by its name. The ids in braces are those of `test_accessibility.site`."""

WALKED = {
    "session.code": "test_sign_in",
    "session.login": "test_accessibility",
}
"""Pages that an admin only reaches by a form, and the test that opens them and runs axe-core."""

NO_PAGES = {
    "api_docs.openapi": "a JSON document",
    "api_docs.style": "a style sheet",
    "chosen_events.start": "a redirect to the list",
    "chosen_people.start": "a redirect to the list",
    "events.failing": "a redirect to the page about a notice",
    "exports.audit_file": "a file",
    "exports.employees_file": "a file",
    "exports.events_file": "a file",
    "start": "a redirect to the overview",
    "suggestions.people": "the suggestions of a field",
}
"""Endpoints that answer a GET, and show no page."""
