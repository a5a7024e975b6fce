"""twistd chatd: tells twistd where the service is made."""

from twisted.application.service import ServiceMaker

chatd = ServiceMaker(
    "chatd", "chatd.tap", "A durable chat daemon in which every wire joins one conversation.", "chatd"
)
