"""Run every measurement: `python -m bench`."""

from bench import driver, users

if __name__ == "__main__":
    driver.main()
    users.main()
