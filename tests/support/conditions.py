"""A condition as the operator writes it."""

READY = {
    "type": "Ready",
    "status": "True",
    "reason": "Succeeded",
    "message": "as declared",
    "observedGeneration": 1,
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}
