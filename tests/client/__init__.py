"""The client's tests are in English, wherever they run, unless they say otherwise."""

import os

os.environ["LANGUAGE"] = "en"
