"""Who may ask: API keys with scopes, and how often."""

from __future__ import annotations

from api.security.keys import ApiKey, KeyFile
from api.security.scopes import Scope, required_scope

__all__ = ["ApiKey", "KeyFile", "Scope", "required_scope"]
