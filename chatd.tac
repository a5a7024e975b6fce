"""twistd -ny chatd.tac: the daemon, with its defaults and what ./chatd.toml says."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from twisted.application.service import Application

from chatd.tap import makeService

application = Application("chatd")
makeService().setServiceParent(application)
