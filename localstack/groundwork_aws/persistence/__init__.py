"""State that outlives LocalStack, also when it is killed: the open edition forgets everything when it stops.

What an answer has told is on disk before the answer is given. A process that is killed at any moment loses nothing of
it; a machine that loses its power may, for nothing is forced out of the operating system's cache. S3's objects lie in
files and in a row each (``s3``, ``objects``); the services' own state is saved as a whole (``services``, ``saver``).
"""
