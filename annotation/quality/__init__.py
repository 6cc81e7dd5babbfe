"""Whether people's labels can be trusted: agreement, aggregation, annotators, doubtful items, the audit's report."""
