"""Compiled parts of ``graphon_lumping``: moves of all blocks, an improvement over all joint actions, draws with W."""

import numpy as np

from envs.mean_field.histograms import log_rising, moves
from orchestrator.core import exp, kernel, log, ordered_sum


@kernel
def seen(counts, shares, policy, shown):
    """Chances of actions float64 [cells, B, S, A]: sum_F Multinomial(F; k, g) ``policy``[F, s, a].

    ``counts`` int64 [cells, B, S], ``shares`` g [cells, B, S, S], ``policy`` [K, S, A], ``shown`` int64 [K, S].
    """
    cells, blocks, states = counts.shape
    kinds, actions = shown.shape[0], policy.shape[2]
    ways = np.zeros(kinds)
    draws = 0
    for t in range(states):
        draws += shown[0, t]
    factorials = log_rising(1.0, draws)
    for f in range(kinds):
        ways[f] = factorials[draws]
        for t in range(states):
            ways[f] -= factorials[shown[f, t]]
    out = np.zeros((cells, blocks, states, actions))
    for c in range(cells):
        for b in range(blocks):
            for s in range(states):
                if counts[c, b, s] == 0:
                    continue
                for f in range(kinds):
                    logs, possible = ways[f], True
                    for t in range(states):
                        if shown[f, t] > 0:
                            if shares[c, b, s, t] <= 0.0:
                                possible = False
                                break
                            logs += shown[f, t] * log(shares[c, b, s, t])
                    if possible:
                        chance = exp(logs)
                        for a in range(actions):
                            out[c, b, s, a] += chance * policy[f, s, a]
    return out


def averages(
    counts: np.ndarray, chances: np.ndarray, chance: np.ndarray, paid: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """P(s' | s) [cells, B, S, S] and the team's reward [cells] under ``chances`` of actions [cells, B, S, A].

    ``counts`` int64 [cells, B, S], ``chance`` [cells, B, S, A, S] and ``paid`` [cells, B, S, A] as in ``BlockLumping``.
    """
    out = np.zeros((*chances.shape[:3], chance.shape[4]))
    for a in range(chances.shape[3]):
        out += chances[..., a, None] * chance[..., a, :]
    terms = counts[..., None] * chances * paid
    return out, ordered_sum(np.ascontiguousarray(terms.reshape(len(counts), -1).T))


@kernel
def moved(sources, chance, parts, offsets):
    """P(counts' of a block) [cells, B, most], agents in places ``sources`` int64 [cells, B, J], from each of which

    one gets to state t with ``chance`` [cells, B, J, S].
    """
    cells, blocks = sources.shape[0], sources.shape[1]
    most = 0
    for b in range(blocks):
        most = max(most, offsets[b + 1] - offsets[b])
    out = np.zeros((cells, blocks, most))
    for c in range(cells):
        for b in range(blocks):
            of = parts[offsets[b] : offsets[b + 1]]
            ahead = moves(sources[c, b : b + 1], chance[c, b : b + 1], of)
            for k in range(of.shape[0]):
                out[c, b, k] = ahead[0, k]
    return out


@kernel
def contract(row, ahead, out):
    """``out``[k] = sum_i ``row``[i] ``ahead``[i * len(out) + k]: one block's next counts averaged over."""
    rest = out.shape[0]
    for k in range(rest):
        out[k] = 0.0
    for i in range(ahead.shape[0] // rest):
        if row[i] > 0.0:
            for k in range(rest):
                out[k] += row[i] * ahead[i * rest + k]


@kernel
def forward(ahead, lengths, value):
    """E[``value``(next)] [cells], blocks moving independently by ``ahead`` [cells, B, most]."""
    cells, blocks = ahead.shape[0], ahead.shape[1]
    out, kept = np.empty(cells), np.empty((blocks + 1, cells))
    for c in range(cells):
        kept[0, c] = value[c]
    for c in range(cells):
        size = cells
        for b in range(blocks):
            contract(ahead[c, b], kept[b, :size], kept[b + 1, : size // lengths[b]])
            size //= lengths[b]
        out[c] = kept[blocks, 0]
    return out


@kernel
def improved(value, rows, parts, offsets, choices, starts, chance, paid, gamma):
    """max over joint actions of r + gamma E[``value``(next)] [cells], and the rows of ``choices`` [cells, B] they are.

    Block after block: what the first blocks' actions leave of ``value`` is kept while those of the later ones change.
    """
    cells, blocks = rows.shape
    most_choices, most_cells = 0, 0
    for row in range(starts.shape[0] - 1):
        most_choices = max(most_choices, starts[row + 1] - starts[row])
    for b in range(blocks):
        most_cells = max(most_cells, offsets[b + 1] - offsets[b])
    ahead, gain = np.empty((blocks, most_choices, most_cells)), np.empty((blocks, most_choices))
    kept, total = np.empty((blocks + 1, cells)), np.zeros(blocks + 1)
    sizes, number, now = np.empty(blocks + 1, np.int64), np.empty(blocks, np.int64), np.empty(blocks, np.int64)
    sizes[0] = cells
    for b in range(blocks):
        sizes[b + 1] = sizes[b] // (offsets[b + 1] - offsets[b])
    for c in range(cells):
        kept[0, c] = value[c]
    best, chosen = np.empty(cells), np.empty((cells, blocks), np.int64)
    for c in range(cells):
        for b in range(blocks):
            first, last = starts[rows[c, b]], starts[rows[c, b] + 1]
            of = parts[offsets[b] : offsets[b + 1]]
            number[b], now[b] = last - first, 0
            next_cells = moves(choices[first:last], chance[c, b : b + 1], of)
            for u in range(last - first):
                for k in range(of.shape[0]):
                    ahead[b, u, k] = next_cells[u, k]
                gain[b, u] = 0.0
                for z in range(choices.shape[1]):
                    gain[b, u] += choices[first + u, z] * paid[c, b, z]
        best[c] = -np.inf
        b = 0
        while b >= 0:
            while b < blocks:
                contract(ahead[b, now[b]], kept[b, : sizes[b]], kept[b + 1, : sizes[b + 1]])
                total[b + 1] = total[b] + gain[b, now[b]]
                b += 1
            return_there = total[blocks] + gamma * kept[blocks, 0]
            if return_there > best[c]:
                best[c] = return_there
                for other in range(blocks):
                    chosen[c, other] = starts[rows[c, other]] + now[other]
            b -= 1
            while b >= 0 and now[b] + 1 == number[b]:
                now[b] = 0
                b -= 1
            if b >= 0:
                now[b] += 1
    return best, chosen
