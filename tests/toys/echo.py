"""A toy: a dialect on a WebSocket that sends each text back, which public test suites want of a server."""

from __future__ import annotations

from typing import Final, Literal

from chatd.boundaries import DeliveryEncoder, Payloads
from chatd.core.answers import Answer
from chatd.core.events import Delivery
from chatd.core.limits import Limits
from chatd.core.refusals import Refusal
from chatd.core.requests import Request
from chatd.core.wires import Wire


class EchoDialect:
    """Each request is refused, and each refusal repeats the request. What ends the connection is silent."""

    wire = "web"
    has_channels = False
    enters_lobby = True
    receives_watched_user_changes = False
    shows_own_messages = True
    greeting: Final = ()
    requires_login = False
    login_history_scope: Literal["none"] = "none"
    max_list_bytes = 1024
    seconds_between_writes = 0.0

    def __init__(self, limits: Limits) -> None:
        pass

    @property
    def delivery_encoder(self) -> DeliveryEncoder:
        """The dialect itself."""
        return self

    def decode(self, payload: bytes) -> Request:
        """See `Dialect.decode`. A refusal that passes by itself does not count as a fault of the client."""
        return Request(Refusal("rate_limited", why="echo"), ref=payload.decode())

    def encode_answer(self, request: Request, answer: Answer) -> Payloads:
        """See `Dialect.encode_answer`."""
        return ()

    def encode_refusal(self, request: Request | None, refusal: Refusal) -> Payloads:
        """See `Dialect.encode_refusal`."""
        return () if request is None else (str(request.ref).encode(),)

    def encode_delivery(self, delivery: Delivery) -> Payloads:
        """See `Dialect.encode_delivery`."""
        return ()

    def encode_for_subject(self, delivery: Delivery) -> Payloads:
        """See `Dialect.encode_for_subject`."""
        return ()


WIRES: Final = (Wire("web", "websocket", EchoDialect, subprotocol="test.echo"),)
