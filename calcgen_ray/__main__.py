"""`python -m calcgen_ray` is `calcgen`."""

from calcgen_ray.cli.app import entry

if __name__ == "__main__":
    entry()
