"""Messages between processes: records, batches, requests, replies, cards, orders to helpers."""
