"""Work as a job on a Ray cluster: what travels, under which id, who may, and how it is followed.

All but `driver.py`, the shell around Ray's client, is plain functions.
"""
