"""Sends events to an edge by a published library: send.py LIBRARY URL COUNT. It says which it has
handed to the library, and ends when the library has delivered all of them."""

import datetime
import sys
import threading
import time

library, url, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
PAUSE_SECONDS = 0.1
OCCURRED = datetime.datetime(2025, 11, 22, 21, 32, 3, 45000, tzinfo=datetime.timezone.utc)
PAGE = {"url": "https://shop.example/done?utm_source=x", "referrer": "https://r.example/"}
ORDER = {
    "n": 0,
    "order_id": "o-1",
    "currency": "EUR",
    "products": [
        {"product_id": "mug", "name": "Mug", "price": 2.5, "quantity": 2},
        {"product_id": "tea", "price": 4},
    ],
}


class Segment:
    """Segment's and RudderStack's, of which one was made of the other."""

    def __init__(self, client, message_id):
        self.client, self.message_id = client, message_id
        self.who = {"user_id": library, "anonymous_id": "a-1"}

    def first(self):
        self.client.track(
            event="Order Completed", message_id=self.message_id, timestamp=OCCURRED,
            properties=dict(ORDER), context={"page": dict(PAGE)}, **self.who,
        )

    def event(self, n):
        self.client.track(event="Clicked", properties={"n": n}, **self.who)

    def end(self):
        self.client.flush()
        self.client.shutdown()


def segment():
    from segment.analytics.client import Client

    return Segment(Client("wk_py", host=url, gzip=True, upload_size=5, upload_interval=0.3), "segment-python-0")


def rudderstack():
    from rudderstack.analytics.client import Client

    return Segment(Client("wk_rudder", host=url, upload_size=5, upload_interval=0.3), "rudder-python-0")


class Snowplow:
    def __init__(self):
        from snowplow_tracker import Emitter, Subject, Tracker

        self.delivered, self.all = 0, threading.Event()
        emitter = Emitter(url, batch_size=5, on_success=self.count, max_retry_delay_seconds=1)
        subject = Subject().set_user_id(library).set_domain_user_id("a-1")
        self.client = Tracker("ns", emitters=emitter, subject=subject, app_id="shop", encode_base64=False)

    def count(self, events):
        self.delivered += len(events)
        if self.delivered >= count:
            self.all.set()

    def first(self):
        from snowplow_tracker import PageView

        moment = OCCURRED.timestamp() * 1000
        self.client.track(
            PageView(PAGE["url"], page_title="Done", referrer=PAGE["referrer"], true_timestamp=moment)
        )

    def event(self, n):
        from snowplow_tracker import StructuredEvent

        self.client.track(StructuredEvent("shop", "clicked", value=n))

    def end(self):
        while not self.all.wait(0.3):
            self.client.flush()


class PostHog:
    def __init__(self):
        from posthog import Posthog

        self.client = Posthog("phc_x", host=url, flush_at=5, flush_interval=0.3, max_retries=40)

    def first(self):
        self.client.capture(
            "order completed", distinct_id=library, uuid="ebc67b55-81ef-4aec-a60a-8d90248cd7b2", timestamp=OCCURRED,
            properties={"n": 0, "order_id": "o-1", "$current_url": PAGE["url"], "$referrer": PAGE["referrer"]},
        )

    def event(self, n):
        self.client.capture("clicked", distinct_id=library, properties={"n": n})

    def end(self):
        self.client.shutdown()


LIBRARIES = {
    "segment-analytics-python": segment,
    "rudder-sdk-python": rudderstack,
    "snowplow-tracker": Snowplow,
    "posthog": PostHog,
}

client = LIBRARIES[library]()
for n in range(count):
    if n == 0:
        client.first()
    else:
        client.event(n)
    print(f"sent {n}", flush=True)
    time.sleep(PAUSE_SECONDS)
client.end()
print("delivered", flush=True)
