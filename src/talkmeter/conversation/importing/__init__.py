"""Conversations from elsewhere become rooms: once each, whole or not at all, and without figures."""
