"""What a client, a log and user code see of an error."""
