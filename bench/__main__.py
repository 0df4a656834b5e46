"""Run every measurement: `python -m bench`."""

from bench import users

if __name__ == "__main__":
    users.main()
