"""Paired bootstrap of corpus scores (Koehn, EMNLP 2004): every system is scored on the same resampled rows."""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass
class RowStatistics:
    """What corpus scores of any choice of rows follow from. rouge_l [n]; bleu [n, 10]: 4 matches, 4 totals, both lengths."""

    rouge_l: np.ndarray
    bleu: np.ndarray
    bleu_source: np.ndarray

    @staticmethod
    def of(outputs: list[str], references: list[str], sources: list[str]) -> "RowStatistics":
        from rouge_score import rouge_scorer

        scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)
        rouge = np.array([scorer.score(r, o)["rougeL"].fmeasure for o, r in zip(outputs, references)])
        return RowStatistics(rouge, _bleu_rows(outputs, references), _bleu_rows(outputs, sources))

    def scores(self, weights: np.ndarray) -> np.ndarray:
        """weights [B, n]: how often a row is drawn in each resample -> [B, 3] of SCORES, in percent."""
        return np.stack([100 * (weights @ self.rouge_l) / weights.sum(1), _corpus_bleu(weights @ self.bleu), _corpus_bleu(weights @ self.bleu_source)], 1)


SCORES = ("rougeL", "bleu", "bleu_source")


def _bleu_rows(outputs: list[str], references: list[str]) -> np.ndarray:
    from sacrebleu.metrics import BLEU

    metric = BLEU(effective_order=True)  # silences a warning; the counts do not depend on it
    rows = [metric.sentence_score(o, [r]) for o, r in zip(outputs, references)]
    return np.array([[*row.counts, *row.totals, row.sys_len, row.ref_len] for row in rows], dtype=np.float64)


def _corpus_bleu(sums: np.ndarray) -> np.ndarray:
    """sacreBLEU with its default smoothing, from summed counts [B, 10]."""
    from sacrebleu.metrics import BLEU

    return np.array([BLEU.compute_bleu(correct=row[:4].astype(int).tolist(), total=row[4:8].astype(int).tolist(), sys_len=int(row[8]),
                                       ref_len=int(row[9]), smooth_method="exp").score for row in sums])


def compare(systems: dict[str, RowStatistics], baseline: str, samples: int = 1000, seed: int = 0) -> dict[str, dict]:
    """Per system and score: its value, its 95 % interval, and the 95 % interval of its difference from the baseline."""
    rows = len(systems[baseline].rouge_l)
    rng = np.random.default_rng(seed)
    weights = np.stack([np.bincount(rng.integers(0, rows, rows), minlength=rows) for _ in range(samples)]).astype(np.float64)
    drawn = {name: system.scores(weights) for name, system in systems.items()}
    whole = {name: system.scores(np.ones((1, rows)))[0] for name, system in systems.items()}

    def interval(values: np.ndarray) -> list[float]:
        return [round(float(v), 2) for v in np.percentile(values, [2.5, 97.5])]

    return {name: {score: {"value": round(float(whole[name][k]), 2), "interval": interval(drawn[name][:, k]),
                           "difference": round(float(whole[name][k] - whole[baseline][k]), 2),
                           "difference_interval": interval(drawn[name][:, k] - drawn[baseline][:, k])}
                   for k, score in enumerate(SCORES)}
            for name in systems}
