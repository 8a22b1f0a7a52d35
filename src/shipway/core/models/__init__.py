"""Model versions: names, schemas, approval, history."""
