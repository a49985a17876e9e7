"""The webhook as tests run it: alone on loopback, and as replicas behind a real API server."""
