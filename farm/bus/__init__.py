"""What travels between daemon and nodes: topics, messages, the MQTT client and the broker."""
