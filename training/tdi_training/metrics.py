"""Scores of generated text: against the reference, against the source, and the signs of copying and collapse."""

from __future__ import annotations

import re


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def is_copy(output: str, source: str) -> bool:
    """Equal but for case, punctuation and spacing."""
    return _words(output) == _words(source)


def diffuseq_bleu(outputs: list[str], references: list[str]) -> float:
    """Mean NLTK sentence BLEU, smoothing method 4, on lower-cased whitespace tokens, as DiffuSeq reports it."""
    from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

    smooth = SmoothingFunction().method4
    scores = [sentence_bleu([r.lower().split()], o.lower().split(), smoothing_function=smooth) if o.split() else 0.0
              for o, r in zip(outputs, references)]
    return 100 * sum(scores) / max(1, len(scores))


def scores(outputs: list[str], references: list[str], sources: list[str], ibleu_alpha: float = 0.8) -> dict:
    """sacreBLEU (cased and lower-cased), DiffuSeq's BLEU, ROUGE-1/2/L F1 without stemmer, BLEU against the source,
    share of copies, iBLEU = a BLEU(ref) - (1 - a) BLEU(source), distinct-1, share of empty outputs. In percent."""
    import sacrebleu
    from rouge_score import rouge_scorer

    bleu = sacrebleu.metrics.BLEU()
    lower = sacrebleu.metrics.BLEU(lowercase=True)
    scorer = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=False)
    rouge = [scorer.score(r, o) for o, r in zip(outputs, references)]
    n = max(1, len(outputs))
    cased = bleu.corpus_score(outputs, [references]).score
    against_source = bleu.corpus_score(outputs, [sources]).score
    words = [w for o in outputs for w in _words(o)]
    return {
        "rows": len(outputs),
        **{name: round(100 * sum(s[key].fmeasure for s in rouge) / n, 2)
           for name, key in (("rouge1", "rouge1"), ("rouge2", "rouge2"), ("rougeL", "rougeL"))},
        "bleu": round(cased, 2),
        "bleu_lower": round(lower.corpus_score(outputs, [references]).score, 2),
        "bleu_signature": str(bleu.get_signature()),
        "diffuseq_bleu": round(diffuseq_bleu(outputs, references), 2),
        "bleu_source": round(against_source, 2),
        "bleu_source_lower": round(lower.corpus_score(outputs, [sources]).score, 2),
        "copies": round(100 * sum(is_copy(o, s) for o, s in zip(outputs, sources)) / n, 2),
        "ibleu": round(ibleu_alpha * cased - (1 - ibleu_alpha) * against_source, 2),
        "distinct1": round(100 * len(set(words)) / max(1, len(words)), 2),
        "repeated_words": round(100 * sum(a == b for o in outputs for a, b in zip(_words(o), _words(o)[1:])) / max(1, len(words)), 3),
        "empty": round(100 * sum(not o.strip() for o in outputs) / n, 2),
        "words_per_output": round(len(words) / n, 2),
    }
