"""What must hold whatever fails: the driver, the client, the process, the database."""
