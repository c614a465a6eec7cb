"""What the installed SDK has of WebSocket sessions."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
from openai.resources.responses import Responses

needs_responses = pytest.mark.skipif(
    not hasattr(Responses, "connect"), reason="this SDK has no Responses over WebSocket"
)
needs_lanes = pytest.mark.skipif(
    find_spec("openai.lib.responses_websocket") is None, reason="this SDK has no lanes"
)
needs_live = pytest.mark.skipif(
    find_spec("openai.resources.live") is None, reason="this SDK has no Live sessions"
)
needs_raw = pytest.mark.skipif(
    find_spec("openai.resources.realtime") is None, reason="this SDK passes no frames on as they are"
)
