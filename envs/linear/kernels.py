"""Numbers of the linear problems, exact in every bit: values, TD systems, mean updates, errors.

Sums are added term by term in a fixed order, in compiled loops or, where a problem is built once, by numpy over whole
arrays of processes. ``process`` int64 [n] names each agent's row in the tables of the m base processes.
"""

import numpy as np

from envs.common.chains import solve, stationary_distribution
from orchestrator.core import kernel, ordered_sum, orthonormal


def linear_values(phi: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Phi theta_p for every p: ``phi`` [S, d], ``theta`` [m, d] -> [m, S]."""
    values = np.zeros((len(theta), len(phi)))
    for f in range(phi.shape[1]):
        values += phi[:, f] * theta[:, f, None]
    return values


def rewards_of_values(transition: np.ndarray, values: np.ndarray, gains: np.ndarray, gamma: float) -> np.ndarray:
    """r_p = J_p + V_p - gamma P_p V_p, the reward [m, S] whose gain is J_p and whose (differential) value is V_p."""
    ahead = np.zeros(values.shape)
    for t in range(values.shape[1]):
        ahead += transition[:, :, t] * values[:, t, None]
    return gains[:, None] + values - gamma * ahead


def values_of_rewards(transition: np.ndarray, reward: np.ndarray, gamma: float) -> np.ndarray:
    """V_p = (I - gamma P_p)^-1 r_p, [m, S], for a discount ``gamma`` < 1."""
    systems = -gamma * transition
    diagonal = np.arange(reward.shape[1])
    systems[:, diagonal, diagonal] += 1.0
    return np.array([solve(system, right) for system, right in zip(systems, reward, strict=True)]).reshape(reward.shape)


def td_systems(
    phi: np.ndarray, transition: np.ndarray, reward: np.ndarray, gains: np.ndarray, stationary: np.ndarray, gamma: float
) -> tuple[np.ndarray, np.ndarray]:
    """A_p = Phi^T D_p (I - gamma P_p) Phi [m, d, d] and b_p = Phi^T D_p (r_p - J_p) [m, d], D_p = diag(stationary)."""
    (m, n), d = reward.shape, phi.shape[1]
    a, b = np.zeros((m, d, d)), np.zeros((m, d))
    for s in range(n):
        change = np.tile(phi[s], (m, 1))
        for t in range(n):
            change -= (gamma * transition[:, s, t])[:, None] * phi[t]
        weight = stationary[:, s, None] * phi[s]
        b += weight * (reward[:, s] - gains)[:, None]
        a += weight[:, :, None] * change[:, None, :]
    return a, b


def under_policies(grids: np.ndarray, policies: np.ndarray) -> np.ndarray:
    """sum_a pi(a | s) P(. | s, a), [m, S, ...] of ``grids`` [m, S, A, ...] and ``policies`` [m, S, A]."""
    chances = policies.reshape(*policies.shape, *[1] * (grids.ndim - policies.ndim))
    out = np.zeros((*grids.shape[:2], *grids.shape[3:]))
    for a in range(policies.shape[2]):
        out += chances[:, :, a] * grids[:, :, a]
    return out


@kernel
def td_heads(a, b, basis):
    """Exact TD heads for a given basis: w_p solves (B^T A_p B) w = B^T b_p. Returns [m, r]."""
    m, d = b.shape
    r = basis.shape[1]
    heads = np.empty((m, r))
    for p in range(m):
        small, right = np.zeros((r, r)), np.zeros(r)
        for f in range(d):
            for c in range(r):
                right[c] += basis[f, c] * b[p, f]
                mixed = 0.0
                for g in range(d):
                    mixed += a[p, f, g] * basis[g, c]
                for e in range(r):
                    small[e, c] += basis[f, e] * mixed
        solved = solve(small, right)
        for c in range(r):
            heads[p, c] = solved[c]
    return heads


@kernel
def mean_updates(a, b, phi, stationary, gains_true, process, basis, heads, gains):
    """Expected TD(0) update under each agent's stationary distribution, per agent of ``process`` [n].

    E[phi delta] = b_i + (J_i - eta_i) Phi^T mu_i - A_i B w_i. Returns the mean over agents of E[phi delta] w_i^T
    [d, r], and per agent B^T E[phi delta] [n, r] and J_i - eta_i [n].
    """
    d, r = basis.shape
    n = heads.shape[0]
    basis_update, head_update, gain_update = np.zeros((d, r)), np.zeros((n, r)), np.empty(n)
    theta, direction = np.empty(d), np.empty(d)
    for i in range(n):
        p = process[i]
        gain_update[i] = gains_true[p] - gains[i]
        combine(basis, heads[i], theta)
        for f in range(d):
            mean_feature = 0.0
            for s in range(phi.shape[0]):
                mean_feature += stationary[p, s] * phi[s, f]
            direction[f] = b[p, f] + gain_update[i] * mean_feature
            for g in range(d):
                direction[f] -= a[p, f, g] * theta[g]
            for c in range(r):
                basis_update[f, c] += direction[f] * heads[i, c]
                head_update[i, c] += basis[f, c] * direction[f]
    for f in range(d):
        for c in range(r):
            basis_update[f, c] /= n
    return basis_update, head_update, gain_update


@kernel
def combine(basis, head, theta):
    """theta = B w."""
    for f in range(basis.shape[0]):
        theta[f] = 0.0
        for c in range(basis.shape[1]):
            theta[f] += basis[f, c] * head[c]


def subspace_error(basis: np.ndarray, truth: np.ndarray) -> float:
    """Sum of squared sines of the principal angles, r - ||Q^T B*||_F^2 with Q an orthonormal basis of ``basis``.

    Computed as ||B* - Q Q^T B*||_F^2, the same number without cancellation near 0.
    """
    q = orthonormal(basis)
    products = np.zeros((q.shape[1], truth.shape[1]))
    for f in range(len(q)):
        products += q[f, :, None] * truth[f]
    rest = truth.copy()
    for b in range(q.shape[1]):
        rest -= products[b] * q[:, b, None]
    return float(ordered_sum((rest * rest).T.reshape(-1)))


@kernel
def parameter_errors(basis, heads, gains, process, true_basis, true_theta, true_gains):
    """Means over agents of ||B*^T (B w_i - theta_i*)||^2, ||B w_i - theta_i*||^2 and (eta_i - J_i)^2."""
    n, d = heads.shape[0], basis.shape[0]
    head_error = theta_error = gain_error = 0.0
    theta = np.empty(d)
    for i in range(n):
        p = process[i]
        combine(basis, heads[i], theta)
        for f in range(d):
            theta[f] -= true_theta[p, f]
            theta_error += theta[f] * theta[f]
        for c in range(true_basis.shape[1]):
            dot = 0.0
            for f in range(d):
                dot += true_basis[f, c] * theta[f]
            head_error += dot * dot
        off = gains[i] - true_gains[p]
        gain_error += off * off
    return head_error / n, theta_error / n, gain_error / n


@kernel
def mean_value_error(basis, heads, process, phi, values, stationary, average):
    """Mean over agents of ||Phi B w_i - V_i||^2 in the norm of their stationary distributions.

    Both sides are centred under the stationary distribution first if ``average``.
    """
    states, d = phi.shape
    theta, error = np.empty(d), np.empty(states)
    total = 0.0
    for i in range(heads.shape[0]):
        p = process[i]
        combine(basis, heads[i], theta)
        mean = square = 0.0
        for s in range(states):
            error[s] = -values[p, s]
            for f in range(d):
                error[s] += phi[s, f] * theta[f]
            mean += stationary[p, s] * error[s]
        if not average:
            mean = 0.0
        for s in range(states):
            off = error[s] - mean
            square += stationary[p, s] * off * off
        total += square
    return total / heads.shape[0]


def rewards_of_action_values(transition: np.ndarray, action_values: np.ndarray, gains: np.ndarray) -> np.ndarray:
    """r_p = J_p + Q_p - P_p max_a' Q_p [m, S, A], the reward whose optimal gain is J_p and optimal value is Q_p."""
    best = action_values.max(axis=2)
    ahead = np.zeros(action_values.shape)
    for t in range(action_values.shape[1]):
        ahead += transition[:, :, :, t] * best[:, t, None, None]
    return gains[:, None, None] + action_values - ahead


@kernel
def choose_greedily(phi, theta, choice):
    """Write argmax_a phi(s, a)^T theta for every s into ``choice`` [S], the first of equals."""
    states, actions, d = phi.shape
    for s in range(states):
        best, choice[s] = -np.inf, 0
        for a in range(actions):
            value = 0.0
            for f in range(d):
                value += phi[s, a, f] * theta[f]
            if value > best:
                best, choice[s] = value, a


@kernel
def greedy_gains(basis, heads, process, phi, transition, reward):
    """Exact gain [n] of each agent's greedy policy argmax_a phi(s, a)^T B w_i (the first action wins a tie)."""
    states, _, d = phi.shape
    gains = np.zeros(heads.shape[0])
    theta, choice = np.empty(d), np.empty(states, np.int64)
    chain, pay = np.empty((states, states)), np.empty(states)
    for i in range(heads.shape[0]):
        p = process[i]
        combine(basis, heads[i], theta)
        choose_greedily(phi, theta, choice)
        for s in range(states):
            pay[s] = reward[p, s, choice[s]]
            for t in range(states):
                chain[s, t] = transition[p, s, choice[s], t]
        mu = stationary_distribution(chain)
        for s in range(states):
            gains[i] += mu[s] * pay[s]
    return gains
