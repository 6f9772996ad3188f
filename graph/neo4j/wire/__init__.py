"""The line to a server: where it is, how a call is made in time, and what its errors say."""
