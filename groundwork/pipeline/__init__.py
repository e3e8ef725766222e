"""What fills the source, runs the pipeline in Airflow, and says how it went."""
