"""What Eastbound's DAGs share. They wire: what is done, and when it is right, is in `etl`."""
