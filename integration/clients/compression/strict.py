"""Python's websockets, which ends a connection that breaks any rule of RFC 6455 or RFC 7692.

Subscribes to the channel that is its argument, prints "subscribed", and then each event's data as it came.
"""

import asyncio
import json
import os
import sys

import websockets


async def main(channel):
    url = os.environ["HUB_URL"].replace("http", "ws", 1) + "/app/" + os.environ["REVERB_APP_KEY"]
    async with websockets.connect(url, compression="deflate") as socket:
        await socket.send(json.dumps({"event": "pusher:subscribe", "data": {"channel": channel}}))
        async for text in socket:
            event = json.loads(text)
            if event["event"] == "pusher_internal:subscription_succeeded":
                print("subscribed", flush=True)
            elif event["event"] == "moved":
                print(event["data"], flush=True)


asyncio.run(main(sys.argv[1]))
