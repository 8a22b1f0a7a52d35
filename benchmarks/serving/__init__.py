"""The model service beside its peers, and `/api/predict` beside what people put together by hand."""
