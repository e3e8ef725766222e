"""The Spark jobs that run on EMR."""
