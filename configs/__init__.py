"""Configuration files that come with Essaim: printer profiles, documented examples, units for mosquitto, systemd and nginx."""
