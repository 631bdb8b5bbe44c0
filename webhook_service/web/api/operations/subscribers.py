"""The routes of the admin API about subscribers."""

from webhook_service.web.api import subscriber_schemas as answers
from webhook_service.web.api.events import Replay
from webhook_service.web.api.operation import Operation
from webhook_service.web.api.subscribers import NewSubscriber, OfDelivery

PATH = "/admin/api/subscribers"
OF_ANN = {"requested_by": "Ann"}
SECRET = {"name": "crm", "secret": "whsec_EXAMPLE", "secret_was_shown": False}
REASONS = ("subscriber_not_found", "not_found")

OPERATIONS = (
    Operation(
        method="get",
        path=PATH,
        name="listSubscribers",
        title="Subscribers",
        text="The systems that get events as signed webhooks, with their numbers of pending and dead deliveries.",
        answer=answers.Subscribers,
    ),
    Operation(
        method="post",
        path=PATH,
        name="createSubscriber",
        title="Create a subscriber",
        text="The subscriber gets the events that end from now on, of these `types` or of all. Do not log the "
        "response, because it contains the secret.",
        answer=answers.SubscriberSecret,
        status=201,
        body=NewSubscriber,
        needs_body=True,
        has_password=True,
        request_example={"name": "crm", "url": answers.CRM_URL, "types": ["employee.linked"], "requested_by": "Ann"},
        response_example=SECRET,
        reasons=("bad_url", "name_taken", "private_addresses_off"),
    ),
    Operation(
        method="get",
        path=f"{PATH}/{{name}}",
        name="getSubscriber",
        title="One subscriber",
        text="The subscriber with its newest deliveries that are not done.",
        answer=answers.SubscriberWithDeliveries,
        reasons=REASONS,
    ),
    Operation(
        method="post",
        path=f"{PATH}/{{name}}/enable",
        name="enableSubscriber",
        title="Enable a subscriber",
        text="Its pending deliveries go on. Events that ended while it was disabled are not sent.",
        answer=answers.SubscriberWithDeliveries,
        body=Replay,
        request_example=OF_ANN,
        reasons=REASONS,
    ),
    Operation(
        method="post",
        path=f"{PATH}/{{name}}/disable",
        name="disableSubscriber",
        title="Disable a subscriber",
        text="It gets no events, and its pending deliveries wait.",
        answer=answers.SubscriberWithDeliveries,
        body=Replay,
        request_example=OF_ANN,
        reasons=REASONS,
    ),
    Operation(
        method="post",
        path=f"{PATH}/{{name}}/rotate",
        name="rotateSubscriberSecret",
        title="Give a subscriber a new secret",
        text="For 24 hours, the former secret signs too. Do not log the response, because it contains the secret.",
        answer=answers.SubscriberSecret,
        body=Replay,
        has_password=True,
        request_example=OF_ANN,
        response_example=SECRET,
        reasons=REASONS,
    ),
    Operation(
        method="post",
        path=f"{PATH}/{{name}}/test",
        name="testSubscriber",
        title="Send a test event to a subscriber",
        text="Sends an event of the type `subscriber.test` at once. The response comes after the answer of the "
        "subscriber, within ten seconds.",
        answer=answers.TestedSubscriber,
        body=Replay,
        request_example=OF_ANN,
        reasons=REASONS,
    ),
    Operation(
        method="post",
        path=f"{PATH}/{{name}}/replay",
        name="replayDeliveries",
        title="Send dead deliveries again",
        text="Makes all dead deliveries due again, or the one with the id `delivery`, which may also be done.",
        answer=answers.ReplayedDeliveries,
        body=OfDelivery,
        request_example={"delivery": 17, "requested_by": "Ann"},
        reasons=REASONS,
    ),
    Operation(
        method="post",
        path=f"{PATH}/{{name}}/remove",
        name="removeSubscriber",
        title="Remove a subscriber",
        text="Its deliveries are removed too.",
        answer=answers.RemovedSubscriber,
        body=Replay,
        request_example=OF_ANN,
        reasons=REASONS,
    ),
)
