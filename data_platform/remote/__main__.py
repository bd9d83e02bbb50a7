"""The entry of a job: `python -m data_platform.remote`, or this file given to `spark-submit`."""

import sys

from data_platform.remote.job import main

if __name__ == "__main__":
    sys.exit(main())
