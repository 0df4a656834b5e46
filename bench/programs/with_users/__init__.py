"""An application with users: notes of tenants, which are seen by those who have logged in."""
