"""A client of the TP6 chat room, as course work has it: what is typed is written, what is read is printed.

``python coursework_tp6.py PORT NICK`` writes no newline, and decodes each read by itself.
"""

import asyncio
import sys


async def type_in(writer: asyncio.StreamWriter) -> None:
    """Send each line that is typed, until there are no more."""
    while line := await asyncio.to_thread(sys.stdin.readline):
        message = line.rstrip("\n")
        sys.stdout.write(f"Vous avez dit : {message}\n")
        sys.stdout.flush()
        writer.write(message.encode())
        await writer.drain()
    writer.write_eof()


async def show(reader: asyncio.StreamReader) -> None:
    """Print each read, until the server has gone."""
    while data := await reader.read(1024):
        sys.stdout.write(data.decode())
        sys.stdout.flush()


async def main(port: str, nick: str) -> None:
    """Enter the room as ``nick``."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
    writer.write(f"Hello|{nick}".encode())
    await writer.drain()
    typing = asyncio.create_task(type_in(writer))
    await show(reader)
    sys.stdout.write("Le serveur est parti\n")
    sys.stdout.flush()
    typing.cancel()
    writer.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
