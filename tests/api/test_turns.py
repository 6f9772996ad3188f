"""What is looked up once a turn of the event loop is never older than the request that reads it."""

from __future__ import annotations

import asyncio
import threading
from select import PIPE_BUF

from api.http.turns import EachTurn, Gathered


def test_one_look_for_all_that_wait_together_and_none_older_than_who_asks() -> None:
    looks = 0
    written = 0

    def look() -> int:
        nonlocal looks
        looks += 1
        return written

    async def ask(each: EachTurn[int]) -> int:
        return each()

    async def main() -> None:
        nonlocal written
        each = EachTurn(look)
        assert await asyncio.gather(*(ask(each) for _ in range(20))) == [0] * 20
        assert looks == 1
        loop = asyncio.get_running_loop()
        for number in range(1, 50):
            arrived: asyncio.Future[int] = loop.create_future()

            def write_then_ask(number: int = number, arrived: asyncio.Future[int] = arrived) -> None:
                nonlocal written
                written = number  # acknowledged, and only then asked
                loop.call_soon_threadsafe(lambda: arrived.set_result(each()))

            thread = threading.Thread(target=write_then_ask)
            each()
            thread.start()
            each()
            assert await arrived == number
            thread.join()

    asyncio.run(main())


def test_lines_of_a_turn_are_written_together_and_in_order() -> None:
    written: list[bytes] = []
    gathered = Gathered(written.append)

    async def main() -> None:
        for turn in range(3):
            for at in range(4):
                gathered(b"%d-%d\n" % (turn, at))
            await asyncio.sleep(0)

    asyncio.run(main())
    assert written == [b"".join(b"%d-%d\n" % (turn, at) for at in range(4)) for turn in range(3)]
    gathered(b"outside\n")
    assert written[-1] == b"outside\n"


def test_no_write_is_longer_than_a_pipe_takes_whole() -> None:
    written: list[bytes] = []
    gathered = Gathered(written.append)
    lines = [b"%04d" % at + b"x" * 295 + b"\n" for at in range(100)]

    async def main() -> None:
        for line in lines:
            gathered(line)

    asyncio.run(main())
    assert b"".join(written) == b"".join(lines)
    assert max(map(len, written)) <= PIPE_BUF
    assert len(written) < len(lines) / 10
