"""Messages between replicas, through Redis, over those between the workers of each. Keeps trading.ports.Bus."""

import asyncio
import hashlib
import hmac
import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from redis.asyncio import Redis

from adapters.bus.frames import MAX_FRAME_BYTES, pack, unpack
from adapters.bus.local import MAX_WAITING_BYTES, Deliver, LocalBus
from adapters.redis_client import FAILURES, open_redis
from trading.topics import USERS

log = logging.getLogger("rl_service.bus")

# Together with what only the replicas of one deployment can know: another's decisions would reach users of the same
# name.
CHANNEL = "rl-service:bus:1:"
BATCH = 64
# How long after a failure Redis is tried again, and how long it may be silent before it is asked for a sign of life.
PAUSE_S = 1.0
SILENCE_S = 1.0


class RedisBus:
    """Keeps trading.ports.Bus over `local`, which it starts and stops, and the Redis server at `url`.

    Every worker listens to Redis itself and gives what it hears to its own listeners only; what its own replica sent
    has come over `local` already. Without Redis the messages of this machine go on, those for others are dropped.
    """

    def __init__(self, local: LocalBus, url: str) -> None:
        self._local = local
        self._url = url
        self._channel = ""
        self._connected = False
        self._dropped = 0
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._wake = asyncio.Event()
        self._redis: Redis | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def connected(self) -> bool:
        """See OpenBus."""
        return self._connected

    @property
    def tasks(self) -> Sequence[asyncio.Task[None]]:
        """What has to go on while the bus is open."""
        return [*self._local.tasks, *self._tasks]

    @property
    def dropped(self) -> int:
        """Messages that found no room, or no Redis."""
        return self._local.dropped + self._dropped

    async def start(self) -> None:
        """Start the local bus. Raises OperatorNeeded, OSError."""
        await self._local.start()

    def join(self, secret: bytes) -> None:
        """Look for Redis, and in it for those who know this secret; never waits for Redis."""
        self._channel = channel_of(secret)
        redis = self._redis = open_redis(self._url)
        self._tasks = [
            asyncio.create_task(self._keep_sending(redis), name="redis_send"),
            asyncio.create_task(self._keep_listening(redis), name="redis_listen"),
        ]

    async def stop(self) -> None:
        """End both."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._redis is not None:
            with suppress(*FAILURES):  # it is left behind either way
                await self._redis.aclose()
        await self._local.stop()

    def subscribe(self, topic: str, deliver: Deliver) -> Callable[[], None]:
        """See Bus."""
        return self._local.subscribe(topic, deliver)

    def wanted(self, topic: str) -> bool:
        """See Bus. Whether another replica listens is not known: while there is Redis, it may."""
        return self._local.wanted(topic) or (self._connected and topic.startswith(USERS))

    def publish(self, topic: str, message: bytes) -> None:
        """See Bus."""
        self._local.publish(topic, message)
        # What concerns no user stays on its machine.
        if not topic.startswith(USERS):
            return
        packed = self._local.replica.encode() + pack(topic, message)
        if not self._connected or self._waiting_bytes + len(packed) > MAX_WAITING_BYTES:
            self._dropped += 1
            return
        self._waiting.append(packed)
        self._waiting_bytes += len(packed)
        self._wake.set()

    async def _keep_sending(self, redis: Redis) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batch = self._next_batch()
                try:
                    async with redis.pipeline(transaction=False) as pipeline:
                        for packed in batch:
                            pipeline.publish(self._channel, packed)
                        await pipeline.execute()
                except FAILURES as error:
                    # They may have arrived: sending them again could deliver them twice.
                    self._dropped += len(batch)
                    log.warning("other replicas miss %d messages: %s", len(batch), type(error).__name__)
                    await asyncio.sleep(PAUSE_S)

    def _next_batch(self) -> list[bytes]:
        batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
        self._waiting_bytes -= sum(map(len, batch))
        return batch

    async def _keep_listening(self, redis: Redis) -> None:
        while True:
            try:
                await self._listen(redis)
            except FAILURES as error:
                if self._connected:
                    log.warning("other replicas are not heard: %s", type(error).__name__)
            self._connected = False
            # Those to send on are as dead as this one, which the library would find out with the next message.
            with suppress(*FAILURES):
                await redis.connection_pool.disconnect()
            await asyncio.sleep(PAUSE_S)

    async def _listen(self, redis: Redis) -> None:
        async with redis.pubsub() as channel:
            await channel.subscribe(self._channel)
            asked = False
            while True:
                heard = await channel.get_message(timeout=SILENCE_S)
                if heard is None:
                    if asked:
                        raise TimeoutError("no sign of life")
                    await channel.ping()
                    asked = True
                    continue
                asked = False
                if heard["type"] == "subscribe":
                    self._connected = True
                elif heard["type"] == "message":
                    self._take(heard["data"])

    def _take(self, packed: bytes) -> None:
        own = self._local.replica.encode()
        if packed.startswith(own) or len(packed) > MAX_FRAME_BYTES:
            return
        try:
            topic, message = unpack(packed[len(own) :])
        except ValueError:
            return  # somebody else writes to this channel
        self._local.deliver(topic, message)


def channel_of(secret: bytes) -> str:
    """Where the replicas that share this secret meet; says nothing of the secret."""
    return CHANNEL + hmac.new(secret, b"bus", hashlib.sha256).hexdigest()[:32]
