"""The release that answers: taken into service, fed with what the store has new, swapped without losing a request."""
