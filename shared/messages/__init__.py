"""What crosses the wire: records, batches, requests, replies, cards."""
