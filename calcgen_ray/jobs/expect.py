"""`python -m calcgen_ray.jobs.expect VERSION`: the first thing that a job does on the cluster.

Ray's head tells its own version and Python's beforehand; that of this package only its nodes know.
"""

from __future__ import annotations

import sys

import calcgen_ray


def main(arguments: list[str]) -> int:
    """0 where this is the version that was asked for, else one line and 2."""
    [wanted] = arguments
    found = calcgen_ray.__version__
    if wanted == found:
        return 0
    print(
        f"error: calcgen-ray: the cluster has {found}, the submission comes from {wanted}; "
        "install the same on both, or submit with --any-version",
        file=sys.stderr,
    )
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
