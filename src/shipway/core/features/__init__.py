"""Records of feature groups: what a group takes, and which of two records is the newer one."""
