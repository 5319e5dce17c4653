"""The simulator: an OpenAI-compatible upstream on real HTTP that keeps its own bill. Not a real model."""

from talkmeter.simulator.server import Simulator

__all__ = ["Simulator"]
