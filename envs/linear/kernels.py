"""Compiled loops of the linear problems, one process or agent at a time: values, TD systems, updates, errors.

``process`` int64 [n] names each agent's row in the tables of the m base processes.
"""

import numpy as np

from envs.common.chains import solve, stationary_distribution
from orchestrator.core import kernel, orthonormal


@kernel
def linear_values(phi, theta):
    """Phi theta_p for every p: ``phi`` [S, d], ``theta`` [m, d] -> [m, S]."""
    values = np.zeros((theta.shape[0], phi.shape[0]))
    for p in range(theta.shape[0]):
        for s in range(phi.shape[0]):
            for f in range(phi.shape[1]):
                values[p, s] += phi[s, f] * theta[p, f]
    return values


@kernel
def rewards_of_values(transition, values, gains, gamma):
    """r_p = J_p + V_p - gamma P_p V_p, the reward [m, S] whose gain is J_p and whose (differential) value is V_p."""
    reward = np.empty(values.shape)
    m, n = values.shape
    for p in range(m):
        for s in range(n):
            ahead = 0.0
            for t in range(n):
                ahead += transition[p, s, t] * values[p, t]
            reward[p, s] = gains[p] + values[p, s] - gamma * ahead
    return reward


@kernel
def values_of_rewards(transition, reward, gamma):
    """V_p = (I - gamma P_p)^-1 r_p, [m, S], for a discount ``gamma`` < 1."""
    values = np.empty(reward.shape)
    m, n = reward.shape
    for p in range(m):
        system = -gamma * transition[p]
        for s in range(n):
            system[s, s] += 1.0
        values[p] = solve(system, reward[p])
    return values


@kernel
def td_systems(phi, transition, reward, gains, stationary, gamma):
    """A_p = Phi^T D_p (I - gamma P_p) Phi [m, d, d] and b_p = Phi^T D_p (r_p - J_p) [m, d], D_p = diag(stationary)."""
    m, n = reward.shape
    d = phi.shape[1]
    a, b = np.zeros((m, d, d)), np.zeros((m, d))
    change = np.empty(d)
    for p in range(m):
        for s in range(n):
            for f in range(d):
                change[f] = phi[s, f]
            for t in range(n):
                for f in range(d):
                    change[f] -= gamma * transition[p, s, t] * phi[t, f]
            for f in range(d):
                weight = stationary[p, s] * phi[s, f]
                b[p, f] += weight * (reward[p, s] - gains[p])
                for g in range(d):
                    a[p, f, g] += weight * change[g]
    return a, b


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
        heads[p] = solve(small, right)
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
    return basis_update / n, head_update, gain_update


@kernel
def combine(basis, head, theta):
    """theta = B w."""
    for f in range(basis.shape[0]):
        theta[f] = 0.0
        for c in range(basis.shape[1]):
            theta[f] += basis[f, c] * head[c]


@kernel
def _value_error(phi, theta, values, stationary, average):
    """||Phi theta - V||^2 in the norm of ``stationary`` [S]; both sides centred under it if ``average``."""
    states = phi.shape[0]
    error = np.empty(states)
    mean = square = 0.0
    for s in range(states):
        error[s] = -values[s]
        for f in range(phi.shape[1]):
            error[s] += phi[s, f] * theta[f]
        mean += stationary[s] * error[s]
    if not average:
        mean = 0.0
    for s in range(states):
        square += stationary[s] * (error[s] - mean) ** 2
    return square


@kernel
def subspace_error(basis, truth):
    """Sum of squared sines of the principal angles, r - ||Q^T B*||_F^2 with Q an orthonormal basis of ``basis``.

    Computed as ||B* - Q Q^T B*||_F^2, the same number without cancellation near 0.
    """
    q = orthonormal(basis)
    total = 0.0
    for c in range(truth.shape[1]):
        rest = truth[:, c].copy()
        for b in range(q.shape[1]):
            dot = 0.0
            for f in range(rest.shape[0]):
                dot += q[f, b] * truth[f, c]
            for f in range(rest.shape[0]):
                rest[f] -= dot * q[f, b]
        for f in range(rest.shape[0]):
            total += rest[f] * rest[f]
    return total


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
        gain_error += (gains[i] - true_gains[p]) ** 2
    return head_error / n, theta_error / n, gain_error / n


@kernel
def mean_value_error(basis, heads, process, phi, values, stationary, average):
    """Mean over agents of ||Phi B w_i - V_i||^2 in the norm of their stationary distributions (see _value_error)."""
    theta = np.empty(basis.shape[0])
    total = 0.0
    for i in range(heads.shape[0]):
        p = process[i]
        combine(basis, heads[i], theta)
        total += _value_error(phi, theta, values[p], stationary[p], average)
    return total / heads.shape[0]


@kernel
def rewards_of_action_values(transition, action_values, gains):
    """r_p = J_p + Q_p - P_p max_a' Q_p [m, S, A], the reward whose optimal gain is J_p and optimal value is Q_p."""
    m, states, actions = action_values.shape
    reward = np.empty(action_values.shape)
    for p in range(m):
        for s in range(states):
            for a in range(actions):
                ahead = 0.0
                for t in range(states):
                    ahead += transition[p, s, a, t] * action_values[p, t].max()
                reward[p, s, a] = gains[p] + action_values[p, s, a] - ahead
    return reward


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
            chain[s] = transition[p, s, choice[s]]
            pay[s] = reward[p, s, choice[s]]
        mu = stationary_distribution(chain)
        for s in range(states):
            gains[i] += mu[s] * pay[s]
    return gains
