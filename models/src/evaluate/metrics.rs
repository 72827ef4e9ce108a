//! Figures from predictions: recall and F1 by class, calibration error, Brier score.

use crate::compact::argmax;

/// What a head said about labelled texts: a row per text.
#[derive(Clone, Debug, Default)]
pub struct Predictions {
    rows: Vec<(usize, Vec<f32>)>,
}

impl Predictions {
    /// Adds the true class and the probabilities of one text.
    pub fn push(&mut self, truth: usize, probabilities: &[f32]) {
        self.rows.push((truth, probabilities.to_vec()));
    }

    /// How many texts.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Texts by true class and most probable class.
    pub fn confusion(&self) -> Vec<Vec<usize>> {
        self.confusion_by(argmax)
    }

    /// Texts by true class and the class that `decide` takes from the probabilities.
    pub fn confusion_by(&self, decide: impl Fn(&[f32]) -> usize) -> Vec<Vec<usize>> {
        let classes = self.rows.first().map_or(0, |(_, probabilities)| probabilities.len());
        let mut matrix = vec![vec![0; classes]; classes];
        for (truth, probabilities) in &self.rows {
            matrix[*truth][decide(probabilities)] += 1;
        }
        matrix
    }

    /// Share of texts whose true class is among the `k` most probable.
    pub fn top(&self, k: usize) -> f64 {
        self.share(|truth, probabilities| {
            let own = probabilities[truth];
            let ahead = (probabilities.iter().enumerate()).filter(|(class, p)| **p > own || (**p == own && *class < truth));
            ahead.count() < k
        })
    }

    /// Share of texts for which `decide` takes a class at most `distance` codes from the true one.
    pub fn within(&self, distance: usize, decide: impl Fn(&[f32]) -> usize) -> f64 {
        self.share(|truth, probabilities| decide(probabilities).abs_diff(truth) <= distance)
    }

    /// Recall and precision of one class where it is taken from a probability of `from` on.
    pub fn recall_precision_from(&self, class: usize, from: f32) -> (f64, f64) {
        let taken = |probabilities: &[f32]| probabilities[class] >= from;
        let count = |wanted: &dyn Fn(usize, &[f32]) -> bool| {
            self.rows.iter().filter(|(truth, probabilities)| wanted(*truth, probabilities)).count() as f64
        };
        let right = count(&|truth, probabilities| truth == class && taken(probabilities));
        (right / count(&|truth, _| truth == class), right / count(&|_, probabilities| taken(probabilities)))
    }

    /// Mean over classes of the share of their texts that were found.
    pub fn macro_recall(&self) -> f64 {
        let matrix = self.confusion();
        mean(matrix.iter().enumerate().filter_map(|(class, row)| {
            let total: usize = row.iter().sum();
            (total > 0).then(|| row[class] as f64 / total as f64)
        }))
    }

    /// Mean over classes of the harmonic mean of precision and recall.
    pub fn macro_f1(&self) -> f64 {
        let matrix = self.confusion();
        mean(matrix.iter().enumerate().filter_map(|(class, row)| {
            let (actual, claimed) = (row.iter().sum::<usize>(), matrix.iter().map(|row| row[class]).sum::<usize>());
            (actual > 0).then(|| 2.0 * row[class] as f64 / (actual + claimed) as f64)
        }))
    }

    /// Recall and precision of one class.
    pub fn recall_precision(&self, class: usize) -> (f64, f64) {
        let matrix = self.confusion();
        let Some(row) = matrix.get(class) else { return (f64::NAN, f64::NAN) };
        let (actual, claimed) = (row.iter().sum::<usize>(), matrix.iter().map(|row| row[class]).sum::<usize>());
        (row[class] as f64 / actual as f64, row[class] as f64 / claimed as f64)
    }

    /// Expected calibration error of the most probable class, 15 bins of equal width (Guo et al. 2017).
    pub fn calibration_error(&self) -> f64 {
        const BINS: usize = 15;
        let mut bins = [(0.0f64, 0.0f64); BINS];
        for (truth, probabilities) in &self.rows {
            let class = argmax(probabilities);
            let bin = &mut bins[((probabilities[class] * BINS as f32) as usize).min(BINS - 1)];
            bin.0 += f64::from(probabilities[class]);
            bin.1 += f64::from(u8::from(class == *truth));
        }
        bins.iter().map(|(confidence, right)| (confidence - right).abs()).sum::<f64>() / self.len().max(1) as f64
    }

    /// Brier score over all classes: 0 is perfect, 2 is certain and wrong.
    pub fn brier(&self) -> f64 {
        mean(self.rows.iter().map(|(truth, probabilities)| {
            let miss = |(class, p): (usize, &f32)| (f64::from(*p) - f64::from(u8::from(class == *truth))).powi(2);
            probabilities.iter().enumerate().map(miss).sum()
        }))
    }

    /// Share of wrong answers among the `coverage` of texts that the head is surest of (El-Yaniv & Wiener 2010).
    pub fn risk(&self, coverage: f64) -> f64 {
        let mut answers: Vec<(f32, bool)> = (self.rows.iter())
            .map(|(truth, probabilities)| (probabilities[argmax(probabilities)], argmax(probabilities) == *truth))
            .collect();
        answers.sort_by(|a, b| b.0.total_cmp(&a.0));
        answers.truncate((coverage * answers.len() as f64).ceil() as usize);
        mean(answers.iter().map(|(_, right)| f64::from(u8::from(!right))))
    }

    fn share(&self, right: impl Fn(usize, &[f32]) -> bool) -> f64 {
        mean(self.rows.iter().map(|(truth, probabilities)| f64::from(u8::from(right(*truth, probabilities)))))
    }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (count, sum) = values.fold((0u32, 0.0), |(count, sum), value| (count + 1, sum + value));
    sum / f64::from(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_a_small_table_are_those_by_hand() {
        let mut predictions = Predictions::default();
        predictions.push(0, &[0.8, 0.1, 0.1]);
        predictions.push(0, &[0.3, 0.6, 0.1]);
        predictions.push(1, &[0.2, 0.7, 0.1]);
        predictions.push(2, &[0.0, 0.4, 0.6]);
        assert_eq!(predictions.top(1), 0.75);
        assert_eq!(predictions.top(2), 1.0);
        assert_eq!(predictions.within(1, argmax), 1.0);
        assert_eq!(predictions.recall_precision_from(0, 0.3), (1.0, 1.0));
        assert_eq!(predictions.recall_precision_from(0, 0.15), (1.0, 2.0 / 3.0));
        assert_eq!((predictions.risk(1.0), predictions.risk(0.5)), (0.25, 0.0), "the surest two are right");
        assert!((predictions.macro_recall() - 2.5 / 3.0).abs() < 1e-9);
        assert!((predictions.macro_f1() - (2.0 / 3.0 + 2.0 / 3.0 + 1.0) / 3.0).abs() < 1e-9);
        assert_eq!(predictions.recall_precision(0), (0.5, 1.0));
        // Bins: 0.8 right, 0.7 right, two of 0.6 with one right.
        let expected = (0.2 + 0.3 + 0.2) / 4.0;
        assert!((predictions.calibration_error() - expected).abs() < 1e-6, "{}", predictions.calibration_error());
        assert!((predictions.brier() - (0.06 + 0.86 + 0.14 + 0.32) / 4.0).abs() < 1e-6);
    }
}
