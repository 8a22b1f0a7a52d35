"""Model versions tried out beside a release's own, in a split or as a shadow."""
