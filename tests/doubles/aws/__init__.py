"""A double of AWS: real boto3 clients, whose calls are answered in this process and held to AWS's own shapes."""
