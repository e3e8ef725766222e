"""The instance controller: the daemon beside the Spark master that runs a cluster's steps, as on EMR's primary node.

``python -m instance_controller`` serves a small HTTP API (``server``) to whoever has the token. It says which EMR
release this installation is (``release``), runs steps as processes of their own groups (``steps``, ``process``), reads
from their stderr why they failed (``failure``), and puts their logs where the cluster's LogUri says (``logs``).
https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-manage-view-web-log-files.html
"""
