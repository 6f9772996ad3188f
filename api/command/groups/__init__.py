"""Groups of commands: ``kindred GROUP COMMAND``, one file a group."""
