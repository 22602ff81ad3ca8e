import pytest

from adapters.bus.frames import MAX_FRAME_BYTES, Frames, Kind, frame, pack, unpack


@pytest.mark.parametrize("piece", [1, 2, 7, 1000])
def test_frames_come_out_as_they_went_in_however_the_stream_is_cut(piece: int) -> None:
    sent = [(Kind.LISTEN, b"user:1"), (Kind.MESSAGE, b""), (Kind.MESSAGE, bytes(300)), (Kind.IGNORE, b"user:1")]
    stream = b"".join(frame(kind, body) for kind, body in sent)
    frames = Frames()
    received = []
    for start in range(0, len(stream), piece):
        received += frames.feed(stream[start : start + piece])
    assert received == sent


def test_what_announces_too_much_is_no_frame() -> None:
    with pytest.raises(ValueError, match="announced"):
        Frames().feed((MAX_FRAME_BYTES + 1).to_bytes(4, "big") + b"m")


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\n", b"\0\0\0\0x", b"\0\0\0\5?abcde"])
def test_other_protocols_are_no_frames(garbage: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any will do, the stream is lost
        Frames().feed(garbage)


def test_a_frame_has_a_largest_size() -> None:
    with pytest.raises(ValueError, match="bytes"):
        frame(Kind.MESSAGE, bytes(MAX_FRAME_BYTES + 1))


def test_topic_and_message_come_out_as_they_went_in() -> None:
    assert unpack(pack("user:\N{SNOWMAN}", b"\0\xff{}")) == ("user:\N{SNOWMAN}", b"\0\xff{}")


@pytest.mark.parametrize("body", [b"", b"\0", b"\0\5user", b"\0\1\xff"])
def test_a_body_without_a_whole_topic_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any will do, the stream is lost
        unpack(body)
