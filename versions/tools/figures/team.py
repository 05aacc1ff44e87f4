"""Two threads, one of which is put aside for a while: with fixed shares and a barrier, and with pieces they claim."""

from dataclasses import dataclass

from figures.sketch import Sketch

STEPS, PIECES = 3, 4  # layers, and pieces in a thread's share of each
AWAY = (5, 10)  # when Linux has put the second thread aside for another program
LEFT = 96  # pixels: where time begins


@dataclass(frozen=True)
class Piece:
    """A piece of work: who did it, of which layer, whose share it was, and when."""

    thread: int
    step: int
    share: int
    start: float
    end: float


def with_barrier() -> list[Piece]:
    """Each thread does its share of a step, and all wait for the last one before the next step."""
    done, now = [], 0.0
    for step in range(STEPS):
        free = [now, now]
        for thread in (0, 1):
            for _ in range(PIECES):
                piece = worked(thread, step, thread, free[thread])
                done.append(piece)
                free[thread] = piece.end
        now = max(free)
    return done


def with_claims() -> list[Piece]:
    """Each thread claims the next piece of its own share, then of the other's; a step ends with its last piece."""
    done: list[Piece] = []
    free, now = [0.0, 0.0], 0.0
    for step in range(STEPS):
        left = [PIECES, PIECES]
        ends = [now]
        while any(left):
            thread = min((0, 1), key=lambda one: resumed(one, max(free[one], now)))
            share = thread if left[thread] else 1 - thread
            left[share] -= 1
            piece = worked(thread, step, share, max(free[thread], now))
            done.append(piece)
            free[thread] = piece.end
            ends.append(piece.end)
        now = max(ends)
    return done


def resumed(thread: int, now: float) -> float:
    """When a thread that is free `now` can begin a piece: the second one not while it is away."""
    return float(AWAY[1]) if thread == 1 and AWAY[0] <= now < AWAY[1] else now


def worked(thread: int, step: int, share: int, now: float) -> Piece:
    """A piece that a thread does from `now` on, or as soon as it is back; it takes 1."""
    start = resumed(thread, now)
    return Piece(thread, step, share, start, start + 1)


def barrier() -> Sketch:
    """The same work of two threads, one of which is put aside for a while: with barriers, and with claims."""
    page = Sketch("A barrier waits; claimed pieces do not", 408)
    plans = (("fixed shares and a barrier (08)", with_barrier()), ("pieces are claimed (10)", with_claims()))
    longest = max(piece.end for _, plan in plans for piece in plan)
    unit = 408 / longest
    for number, (said, plan) in enumerate(plans):
        top = 60 + 158 * number
        end = max(piece.end for piece in plan)
        page.text(16, top, said, align="left", bold=True)
        page.text(504, top, f"takes {end:g}", "red" if end == longest else "green", align="right", bold=True)
        lanes(page, plan, top + 18, unit)
    page.text(16, 366, "A piece takes 1; the colours are three layers.", "quiet", align="left")
    page.text(16, 390, "2: claimed from the share of thread 2", "quiet", align="left")
    return page


def lanes(page: Sketch, plan: list[Piece], top: float, unit: float) -> None:
    """A row for each thread with its pieces, where it is away, and where it waits."""
    fills = (("pale blue", "blue"), ("pale green", "green"), ("pale orange", "orange"))
    end = max(piece.end for piece in plan)
    for thread in (0, 1):
        y = top + 50 * thread
        page.text(16, y + 20, f"thread {thread + 1}", align="left")
        page.cell(LEFT, y, end * unit, 40, "pale red", "pale red")
        for piece in plan:
            if piece.thread == thread:
                fill, edge = fills[piece.step]
                mark = "" if piece.share == thread else str(piece.share + 1)
                page.box(LEFT + piece.start * unit + 1, y + 1, unit - 2, 38, fill, edge, mark)
    page.text(LEFT + sum(AWAY) / 2 * unit, top + 70, "put aside", "red")
    gaps(page, plan, top, unit, end)


def gaps(page: Sketch, plan: list[Piece], top: float, unit: float, end: float) -> None:
    """The word "waits" wherever the first thread does so for more than the time of a piece."""
    mine = sorted((piece.start, piece.end) for piece in plan if piece.thread == 0)
    for (_, before), (after, _) in zip(mine, [*mine[1:], (end, end)]):
        if after - before > 1:
            page.text(LEFT + (before + after) / 2 * unit, top + 20, "waits", "red")
