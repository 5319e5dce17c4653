"""Made by tools/make_protos.py from proto/; not edited."""
