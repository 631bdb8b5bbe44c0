"""The words of the inbox: the causes, the sentences and the notes. They are the words of HR."""

from webhook_service.wording.employees import NO_ANSWER

SENTENCES = {
    "held_mass_deactivation": "{person} was deactivated together with an unusual share of the employees."
    " The login still works until you decide.",
    "held_shared_email": "{person} was deactivated, but another employee may own the login {login}."
    " It still works until you decide.",
    "still_in": "{person} was deactivated, but the login still works, and nothing is under way to disable it.",
    "client.update_auth_email": "A user changed the e-mail of {person} to {wanted} without proof. Is it right?",
    "client.link": "A user gave the login {login} to {person} without proof. Is it right?",
    "failed.disable_auth_user": "The login of {person}, who does not work here, could not be disabled"
    " and still works: {reason}.",
    "failed.enable_auth_user": "The login of {person} could not be enabled: {reason}.",
    "failed.update_auth_email": "The login of {person} could not get the e-mail {wanted}: {reason}.",
    "failed.create_auth_user": "A login for {person} could not be created: {reason}.",
    "waits.disable_auth_user": "{person} does not work here, but the login still works, because {reason}."
    " It is retried.",
    "waits.enable_auth_user": "The login of {person} is still disabled, because {reason}. It is retried.",
    "waits.update_auth_email": "The login of {person} does not have the e-mail {wanted} yet, because {reason}."
    " It is retried.",
    "waits.create_auth_user": "The login of {person} is not created yet, because {reason}. It is retried.",
    "event.ambiguous": "Several employees match the login {login}: {others}. Choose the one who owns it.",
    "event.ambiguous.none": "Several employees matched the login {login}. Try again.",
    "event.already_linked": "A second login, {login}, matches {others}, who has another login.",
    "event.already_linked.none": "A second login, {login}, matches an employee who has another login.",
    "event.email_taken": "The e-mail {login} of the login of {person} belongs to {others} in the employees table.",
    "event.email_taken.none": "The e-mail {login} of the login of {person} belongs to another employee.",
    "event.employee_rejected": "The login of {person} could not be linked or copied. {rule}",
    "event.unreadable": "A change of the login of {person} cannot be read, so it is missing here.",
    "event.not_applied": "A change of the login of {person} could not be saved, and is no longer retried.",
    "same_number": "{person} shares the employee number {number} with: {others}. The number decides who gets a login.",
    "orphaned": "The login of {person}, who works here, was deleted.",
    "email_mismatch": "{person} has the e-mail {email}, but the login has {login}.",
    "unusable_email": "{person} cannot get a login, because “{email}” is not an e-mail address.",
}
"""The sentences, whole, with named values."""

REASONS = {
    "user_not_found": "Supabase does not know the login",
    "email_taken": "another login has this e-mail",
    "auth_refused": "Supabase refused the change",
    "auth_unavailable": NO_ANSWER,
    "not_performed": "Supabase accepted the change, but did not keep it",
}
"""Why an action is not performed, by its outcome."""

NO_TURN = "the service has not come to it"
NO_NAME = "an unknown person"
NO_LOGIN = "without an e-mail"

TITLES = {
    "held_mass_deactivation": "Ban waits for you",
    "held_shared_email": "Ban waits for you",
    "still_in": "Can still sign in",
    "changed_by_client": "Waits for approval",
    "action_failed": "Needs attention",
    "action_waits": "Retrying",
    "event_failed": "Needs attention",
    "same_number": "Same number",
    "orphaned": "Login deleted",
    "email_mismatch": "E-mail differs",
    "unusable_email": "Unusable e-mail",
}
"""The causes in a few words."""

LABELS = {
    "ban": "Ban this login",
    "approve": "Approve",
    "drop": "Drop the change",
    "try_again": "Try again",
    "try_now": "Try now",
    "give_login": "Give a login",
    "deactivate": "Deactivate",
    "edit": "Edit {person}",
    "choose": "It is {person}",
}
"""The buttons and links."""

BAN_QUESTION = "Ban the login of {person}? {person} can then no longer sign in."
DEACTIVATE_QUESTION = "Deactivate {person}? The login is then banned too."
CHOOSE_QUESTION = "Does the login {login} belong to {person}? {person} can then sign in with it."

NOT_COMPARED = "Employees and logins have not been compared yet, so there may be problems that are not known here."
NOT_COMPARED_FOR_A_WEEK = (
    "Employees and logins were not compared for a week, so there may be problems that are not known here."
)
NOT_CORRECTED = "The last comparison found differences that are not corrected yet."
RELAY_NEVER_RAN = "The relay has never run, so newer problems may not be known here."
RELAY_SILENT = "The relay has not run for {age}, so newer problems may not be known here."
