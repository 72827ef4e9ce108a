"""The transformer tier beside Python's transformers: the same weights, texts, batches and threads, one after the other.

    python3 -m venv peer && peer/bin/pip install torch==2.4.0 "transformers<4.50" "numpy<2"
    cargo build --release -p models --features transformer --example transformer
    peer/bin/python models/examples/transformer_peer.py BASE TEXTS.tsv target/release/examples/transformer [TEXTS [THREADS]]

BASE is a directory with a BERT encoder (docs/transformer.md), TEXTS.tsv has a column `text`. A classifier for three tones with a
random last layer is put on it: what is compared is speed, and that both read the same.
"""

import csv
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import torch
import transformers
from transformers import AutoModelForSequenceClassification, BertTokenizerFast

BATCH_TEXTS, BATCH_TOKENS, MAX_TOKENS = 64, 512, 256


def batches(lengths):
    """Positions of texts in batches by the rule of the tier: shortest first, bounded in texts and in tokens."""
    found = []
    for at in sorted(range(len(lengths)), key=lengths.__getitem__):
        if found and len(found[-1]) < BATCH_TEXTS and (len(found[-1]) + 1) * lengths[at] <= BATCH_TOKENS:
            found[-1].append(at)
        else:
            found.append([at])
    return found


def read(model, tokenizer, texts):
    rows = [None] * len(texts)
    encoded = tokenizer(texts, truncation=True, max_length=MAX_TOKENS)["input_ids"]
    with torch.inference_mode():
        for batch in batches([len(ids) for ids in encoded]):
            padded = tokenizer.pad({"input_ids": [encoded[at] for at in batch]}, return_tensors="pt")
            tones = torch.softmax(model(**padded).logits, dim=-1).tolist()
            for at, tone in zip(batch, tones):
                rows[at] = tone
    return rows


def main():
    base, table, tier = sys.argv[1:4]
    count = int(sys.argv[4]) if len(sys.argv) > 4 else 2000
    threads = int(sys.argv[5]) if len(sys.argv) > 5 else os.cpu_count()
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    with open(table, encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        texts = [" ".join(row["text"].split()) for row in rows]
    texts = [text for text in texts if text][:count]
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        labels = {0: "negative", 1: "neutral", 2: "positive"}
        model = AutoModelForSequenceClassification.from_pretrained(base, id2label=labels, label2id={v: k for k, v in labels.items()}).eval()
        model.save_pretrained(place / "model")
        for name in ("vocab.txt", "tokenizer_config.json"):
            if (pathlib.Path(base) / name).exists():
                shutil.copy(pathlib.Path(base) / name, place / "model" / name)
        tokenizer = BertTokenizerFast.from_pretrained(place / "model")
        (place / "texts").write_text("\n".join(texts) + "\n", encoding="utf-8")
        ours = json.loads(subprocess.run([tier, "speed", place / "model", place / "texts", str(threads)], check=True, capture_output=True).stdout)
        best_s = float("inf")
        for _ in range(3):
            started = time.perf_counter()
            theirs = read(model, tokenizer, texts)
            best_s = min(best_s, time.perf_counter() - started)
    apart = max(abs(a - b) for one, other in zip(ours["tones"], theirs) for a, b in zip(one, other))
    print(json.dumps({
        "texts": len(texts),
        "threads": threads,
        "tier_texts_per_s": round(len(texts) / ours["seconds"], 1),
        "python_texts_per_s": round(len(texts) / best_s, 1),
        "python": f"transformers {transformers.__version__}, torch {torch.__version__}",
        "largest_difference_of_a_probability": apart,
    }, indent=2))


if __name__ == "__main__":
    main()
