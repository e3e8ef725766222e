"""Entry points: one module per job, each with its ``spark-submit`` line."""
