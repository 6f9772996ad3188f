"""What is read: single answers, whole types, the change feed, and the graph of one moment."""
