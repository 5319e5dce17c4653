"""The page's door. docs/page-api.md is its contract."""

from talkmeter.surfaces.web.guard import GuardLimits, guarded_protocol
from talkmeter.surfaces.web.services import Services
from talkmeter.surfaces.web.surface import web_surface

__all__ = ["GuardLimits", "Services", "guarded_protocol", "web_surface"]
