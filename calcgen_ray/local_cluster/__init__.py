"""A real Ray cluster on one machine: a head and workers as processes of their own.

`python -m calcgen_ray.local_cluster up|down|status`. Ray itself is only run, never imported.
"""
