"""What is seen of the server: one log line a request, counters, traces, how it does."""
