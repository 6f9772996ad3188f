"""Requests and replies: what may be asked, how it is read, what is kept, and on which thread an answer is made."""
