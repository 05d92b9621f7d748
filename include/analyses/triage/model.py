"""A multinomial logistic regression on hashed character 1-4-grams and on the patterns that match.

Character n-grams need no words and so no language: Cavnar and Trenkle 1994, "N-Gram-Based Text Categorization". Hashed
features: Weinberger et al. 2009, https://doi.org/10.1145/1553374.1553516. numpy and scipy do all of it.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from include.config.triage import LABELS, UNKNOWN, Label, Triage

BUCKETS = 1 << 15
LONGEST = 4
# Weight of a matching pattern against a text's n-grams, whose squares sum to 1; and the penalty with the least log loss
# over the seeds, in folds and without patterns.
WEIGHT_OF_PATTERN = 0.7
PENALTY = 0.001
_N_RULES = 2 * len(LABELS)
Floats = npt.NDArray[np.float64]


class Guess(NamedTuple):
    """What a text is.

    Args:
        label: One of ``LABELS``, or ``unknown``.
        p: Probability of the most probable label, also if it is too low to be given.
        by: ``rule`` if the first matching pattern says the same, else ``model``.
    """

    label: str
    p: float
    by: str


@dataclass(frozen=True)
class Model:
    """A fitted model.

    Args:
        idf: Weight of each bucket.
        weights: Buckets and patterns x labels.
        bias: One per label.
    """

    idf: Floats
    weights: Floats
    bias: Floats

    def dump(self) -> bytes:
        """Return the model as bytes that ``load`` reads."""
        stream = io.BytesIO()
        np.savez_compressed(
            stream, idf=self.idf.astype("f4"), weights=self.weights.astype("f4"), bias=self.bias.astype("f4")
        )
        return stream.getvalue()

    @classmethod
    def load(cls, content: bytes) -> Model:
        with np.load(io.BytesIO(content), allow_pickle=False) as found:
            return cls(*(found[name].astype(float) for name in ("idf", "weights", "bias")))

    def guess(self, texts: Sequence[str], rules: Triage) -> list[Guess]:
        """Label texts. Those of less than the least probability are unknown."""
        if not texts:
            return []
        hits = [rules.hits(text) for text in texts]
        found = []
        scores = _features(_counts(texts), self.idf, _hits(hits, rules)) @ self.weights + self.bias
        for row, places in zip(_softmax(scores), hits, strict=True):
            best = int(row.argmax())
            p = round(float(row[best]), 4)
            by = "rule" if rules.first(places) == LABELS[best] else "model"
            found.append(Guess(LABELS[best] if p >= rules.least_probability else UNKNOWN, p, by))
        return found


def fit(texts: Sequence[str], labels: Sequence[Label], rules: Triage) -> Model:
    """Fit the model. All labels weigh the same, however many tickets they have.

    Each text counts twice, once without its patterns: else the model would learn to trust patterns alone, and would
    know nothing about tickets that none of them matches.

    Args:
        texts: Cleaned; at least one of each label, so that each can be given.
    """
    from scipy.optimize import minimize  # costs half a second
    from scipy.sparse import vstack

    counts, hits = _counts(texts), _hits([rules.hits(text) for text in texts], rules)
    idf = _idf(counts)
    x = vstack([_features(counts, idf, hits), _features(counts, idf, np.zeros_like(hits))], format="csr")
    y = np.array([LABELS.index(label) for label in labels] * 2)
    n = len(y)
    wanted = np.eye(len(LABELS))[y]
    per_row = (n / (len(LABELS) * np.maximum(np.bincount(y, minlength=len(LABELS)), 1)))[y] / n
    shape = (x.shape[1], len(LABELS))
    # Only buckets in use have weights: the others stay zero.
    used = np.flatnonzero(np.asarray(abs(x).sum(axis=0)).ravel())
    small = x[:, used]

    def loss(flat: Floats) -> tuple[float, Floats]:
        weights = flat[: -len(LABELS)].reshape(len(used), -1)
        p = _softmax(small @ weights + flat[-len(LABELS) :])
        off = (p - wanted) * per_row[:, None]
        value = -(per_row * np.log(np.maximum(p[np.arange(n), y], 1e-12))).sum()
        value += PENALTY / n * (weights**2).sum() / 2
        gradient = small.T @ off + PENALTY / n * weights
        return float(value), np.concatenate([np.asarray(gradient).ravel(), off.sum(axis=0)])

    found = minimize(
        loss, np.zeros((len(used) + 1) * len(LABELS)), jac=True, method="L-BFGS-B", options={"maxiter": 60}
    )
    weights = np.zeros(shape)
    weights[used] = found.x[: -len(LABELS)].reshape(len(used), -1)
    return Model(idf, weights, found.x[-len(LABELS) :])


def cross_validated(
    texts: Sequence[str], labels: Sequence[Label], rules: Triage, others: Sequence[tuple[str, Label]] = ()
) -> list[Guess]:
    """Return a guess for each text by a model that was fitted without it and its fifth of the texts.

    Args:
        others: Further texts and their labels, that each model is fitted with.
    """
    folds = 5
    found: list[Guess] = [Guess(UNKNOWN, 0.0, "model")] * len(texts)
    # Every fold has all labels: the places of each label are dealt out in turn.
    order = sorted(range(len(texts)), key=lambda place: (labels[place], place))
    for fold in range(folds):
        held = set(order[fold::folds])
        rest = [place for place in range(len(texts)) if place not in held]
        if not held:
            continue
        known = [*((texts[place], labels[place]) for place in rest), *others]
        made = fit([text for text, _ in known], [label for _, label in known], rules)
        places = sorted(held)
        for place, guess in zip(places, made.guess([texts[place] for place in places], rules), strict=True):
            found[place] = guess
    return found


def macro_f1(labels: Sequence[str], guesses: Sequence[str]) -> float:
    """Return the mean F1 over the labels that occur. An unknown counts as missed."""
    scores = []
    for label in sorted(set(labels)):
        right = sum(one == label == guess for one, guess in zip(labels, guesses, strict=True))
        given, real = sum(guess == label for guess in guesses), sum(one == label for one in labels)
        scores.append(2 * right / (given + real))
    return sum(scores) / len(scores)


def vectors(texts: Sequence[str]) -> Any:
    """Return a sparse row of length 1 per text, weighted within these texts, for cosines."""
    counts = _counts(texts)
    return _weighted(counts, _idf(counts))


def _idf(counts: Any) -> Floats:
    return np.asarray(np.log((1 + counts.shape[0]) / (1 + np.asarray((counts > 0).sum(axis=0)).ravel())) + 1)


def _hits(found: Sequence[Sequence[int]], rules: Triage) -> Floats:
    """Return texts x (labels with a matching pattern, label of the first one)."""
    rows = np.zeros((len(found), _N_RULES))
    for row, hits in zip(rows, found, strict=True):
        for place in hits:
            row[LABELS.index(rules.patterns[place].label)] = WEIGHT_OF_PATTERN
        if hits:
            row[len(LABELS) + LABELS.index(rules.patterns[hits[0]].label)] = WEIGHT_OF_PATTERN
    return rows


def _features(counts: Any, idf: Floats, hits: Floats) -> Any:
    from scipy.sparse import csr_matrix, hstack

    return hstack([_weighted(counts, idf), csr_matrix(hits)], format="csr")


def _weighted(counts: Any, idf: Floats) -> Any:
    found = counts.copy()
    found.data = (1 + np.log(found.data)) * idf[found.indices]
    lengths = np.sqrt(np.asarray(found.multiply(found).sum(axis=1)).ravel())
    found.data /= np.repeat(np.where(lengths > 0, lengths, 1), np.diff(found.indptr))
    return found


def _counts(texts: Sequence[str]) -> Any:
    """Return texts x buckets: how often each hashed n-gram occurs."""
    from scipy.sparse import csr_matrix

    data, indices, ends = [], [], [0]
    for text in texts:
        buckets, numbers = np.unique(_buckets(text), return_counts=True)
        indices.append(buckets)
        data.append(numbers)
        ends.append(ends[-1] + len(buckets))
    joined = np.concatenate(data).astype(float) if data else np.zeros(0)
    places = np.concatenate(indices) if indices else np.zeros(0, dtype=np.int64)
    return csr_matrix((joined, places, ends), shape=(len(texts), BUCKETS))


def _buckets(text: str) -> npt.NDArray[np.int64]:
    """Return the bucket of each n-gram. Digits count as one, case and layout do not count."""
    words = " ".join(text.lower().split())
    codes = np.frombuffer(f" {words} ".encode("utf-32-le"), dtype="<u4").astype(np.uint64)
    codes[(codes >= ord("0")) & (codes <= ord("9"))] = ord("0")
    found = []
    for n in range(1, min(LONGEST, len(codes)) + 1):
        mixed = np.full(len(codes) - n + 1, n, dtype=np.uint64)
        for start in range(n):
            mixed = (mixed ^ codes[start : len(codes) - n + 1 + start]) * np.uint64(0x100000001B3)  # FNV-1a
        mixed ^= mixed >> np.uint64(29)
        found.append((mixed % np.uint64(BUCKETS)).astype(np.int64))
    return np.concatenate(found)


def _softmax(scores: Floats) -> Floats:
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))
