"""Reads Auth's setting `mailer_autoconfirm`, with which Auth confirms e-mails without proof.

The database keeps the setting, because it links auth users to employees.
"""

import logging

from webhook_service.errors import AuthRefused, AuthUnavailable
from webhook_service.loops import PassResult
from webhook_service.policy import Policy
from webhook_service.ports import AuthSettings, Database

log = logging.getLogger(__name__)

POLL_SECONDS = 300.0


def run_once(database: Database, auth: AuthSettings | None, policy: Policy) -> PassResult:
    """Store Auth's setting and this service's. If Auth cannot be read, the database keeps the last known setting.

    `auth` is None if Auth is not configured. Raises Unavailable, DatabaseError.
    """
    autoconfirm = None
    if auth is not None:
        try:
            autoconfirm = auth.confirms_without_proof()
        except (AuthUnavailable, AuthRefused) as error:
            log.warning("the settings of Auth cannot be read", extra={"reason": error.reason})
    if autoconfirm and not policy.link_unproven_emails:
        log.warning("Auth confirms e-mails without proof: auth users are linked by employee number only")
    database.call(
        "auth_sync_note_autoconfirm_v1", p_autoconfirm=autoconfirm, p_link_unproven=policy.link_unproven_emails
    )
    return PassResult()
