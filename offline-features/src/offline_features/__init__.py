"""The history of feature records: as Parquet files, and what was known of them at any moment."""
