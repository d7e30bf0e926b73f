"""SGAN on characters: does a single WGAN print one character for hundreds of iterations?

    apt-get download anarchism
    python bench/prose.py anarchism_15.3-3_all.deb prose.txt
    python bench/text.py prose.txt                        # all of it; see below for how long
    python bench/text.py prose.txt --iterations 100 --contenders wgan 5-s --width 16

Document 001 (Chavdarova & Fleuret 2018, table 2, figure 18 and appendix B), at a width that a CPU
trains: WGAN with one pair against SGAN with 5 and 10, of separate and of half shared weights, and
with messengers that remember. At equal iterations all of them; at equal time the single pair, which
goes on for as many times as many iterations as SGAN's rounds take longer (`wgan` is trained to
--times as many). Each run is a folder of --out, stopped and gone on with as any other; what is
printed is drawn from the folders.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from pathlib import Path

import uncollapse as uc

CONTENDERS = {
    "wgan": "duel",
    "5-s": "sgan:pairs=5",
    "10-s": "sgan:pairs=10",
    "5-sw": "sgan:pairs=5,sharing=0.5",
    "10-sw": "sgan:pairs=10,sharing=0.5",
    "5-s, memory": "sgan:pairs=5,memory=0.9,payoff=1",
    "10-s, memory": "sgan:pairs=10,memory=0.9,payoff=1",
}
SHOWN = 6
"""Lines of a step that are printed."""


def train(data: str, folder: Path, game: str, steps: int, given: argparse.Namespace) -> float:
    """Trains a contender on, to so many iterations; seconds that this took now."""
    networks = f"char-cnn:width={given.width},blocks=4"
    begun = time.perf_counter()
    if not (folder / "checkpoints" / "last.json").exists():
        # One step first, so that its samples are there, as in the paper.
        uc.train(
            data, out=folder, overwrite=True, generator=networks, discriminator=networks,
            game=game, objective="wgan-gp:gp=10", optimizer=given.optimizer, lr=given.lr, batch=64,
            critic_steps=given.critic_steps, steps=1, seed=given.seed, members="one-by-one",
            sample_every=given.every, checkpoint_every=given.every,
        )  # fmt: skip
    uc.resume(folder, steps=steps)
    return time.perf_counter() - begun


def table(folder: Path) -> None:
    """What a run's samples were, step by step."""
    record = (folder / "metrics.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in record.splitlines()]
    measured = {row["step"]: row for row in rows if "js_4" in row}
    floor = rows[0]
    print(f"\n{folder.name}: real lines have js_1 {floor['real_js_1']:.4f}, js_4 "
          f"{floor['real_js_4']:.3f}")  # fmt: skip
    for path in sorted((folder / "samples").glob("step-*.txt")):
        step = int(path.stem.removeprefix("step-"))
        lines = path.read_text(encoding="utf-8").split("\n")[:-1]
        letters = Counter("".join(lines))
        often, times = letters.most_common(1)[0] if letters else ("", 0)
        share = times / max(1, letters.total())
        row = measured.get(step, {})
        js = " ".join(f"js_{n} {row[f'js_{n}']:.3f}" for n in (1, 2, 3, 4) if f"js_{n}" in row)
        print(f"  step {step}: {len(letters)} characters, {share:.0%} are {often!r}; {js}")
        for line in lines[:SHOWN]:
            print(f"    {line!r}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("text", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/text"))
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--iterations", type=int, default=1000)
    parser.add_argument("--times", type=int, default=1, help="of these, for wgan: equal time")
    parser.add_argument("--every", type=int, default=100)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--optimizer", default="rmsprop:alpha=0.99")
    parser.add_argument("--lr", type=float, default=1e-4)
    parser.add_argument("--critic-steps", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    for name in given.contenders:
        steps = given.iterations * (given.times if name == "wgan" else 1)
        took = train(f"text:{given.text}", given.out / name, CONTENDERS[name], steps, given)
        table(given.out / name)
        print(f"  {took:.0f} s now")


if __name__ == "__main__":
    main()
