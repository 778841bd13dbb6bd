"""The peer of `bench ingest`: a bare paho client that subscribes like the daemon and only counts.

    python -m tests.bench.subscriber PORT MESSAGES < password

It says "ready", and when all messages are there the seconds between the first and the last.
"""

import sys
import time

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from farm.bus.child_broker import DAEMON
from farm.bus.topics import DAEMON_SUBSCRIPTION, Stream


def main(port: int, expected: int) -> None:
    """Count."""
    times_s: list[float] = []
    count = 0
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=DAEMON)
    client.username_pw_set(DAEMON, sys.stdin.readline().strip())

    def counted(_client: object, _data: object, message: paho.MQTTMessage) -> None:
        nonlocal count
        if not message.topic.endswith(Stream.JOURNAL):
            return
        if count == 0:
            times_s.append(time.monotonic())
        count += 1
        if count == expected:
            times_s.append(time.monotonic())
            client.disconnect()

    def connected(*_: object) -> None:
        client.subscribe(DAEMON_SUBSCRIPTION, 1)

    client.on_connect = connected
    client.on_subscribe = lambda *_: print("ready", flush=True)
    client.on_message = counted
    client.connect("127.0.0.1", port)
    client.loop_forever()
    print(times_s[1] - times_s[0], flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
