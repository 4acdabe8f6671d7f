"""`python -m jobsched`."""

from jobsched.cli import main

if __name__ == "__main__":
    main()
