"""The gateway's own pass-through: requests of other programs, forwarded as they came and metered on the way."""
