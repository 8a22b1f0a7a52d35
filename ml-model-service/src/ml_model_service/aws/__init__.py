"""What this service asks of AWS, by botocore, which is imported only where an address names AWS."""
