"""Model versions in a bucket: immutable folders, digests, the `latest` pointer."""
