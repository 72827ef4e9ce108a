//! The flexible Farrington method: is a count higher than the same season of earlier years explains?
//!
//! Farrington, Andrews, Beale & Catchpole (1996) as improved by Noufaily et al. (2013), agreeing with
//! `surveillance::farringtonFlexible` (Salmon, Schumacher & Höhle 2016) without a population offset.

use super::negative_binomial;
use super::quasi_poisson::{self, Fit, Rows};
use super::special::{normal_cdf, normal_quantile, student_cdf};

/// How the upper threshold is made from the fitted mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threshold {
    /// Negative-binomial quantile at the fitted mean (`nbPlugin`).
    NegativeBinomial,
    /// Negative-binomial quantile at the upper quantile of the fitted mean (`muan`, Noufaily et al. 2013).
    UncertainMean,
    /// Normal interval on the scale of counts to the power 2/3 (`delta`, Farrington et al. 1996).
    TwoThirdsPower,
}

/// Settings, with the names of `farringtonFlexible`'s in brackets.
#[derive(Clone, Debug, PartialEq)]
pub struct Farrington {
    /// Periods in a year: 52 weeks, 365 days (`freq`).
    pub periods_per_year: usize,
    /// Years of history that are used (`b`).
    pub years: usize,
    /// Half the width of the window around the same period of earlier years (`w`).
    pub half_window: usize,
    /// Seasons that a year is cut into, the window being one (`noPeriods`).
    pub seasons: usize,
    /// Latest periods that are left out, so that a beginning outbreak does not explain itself (`pastWeeksNotIncluded`).
    pub guard: usize,
    /// One-sided error (`alpha`).
    pub alpha: f64,
    /// Whether a trend is fitted where it is significant, spans three years and does not extrapolate (`trend`).
    pub trend: bool,
    /// p-value below which a trend is kept (`pThresholdTrend`).
    pub trend_p_value: f64,
    /// Whether past outbreaks count less (`reweight`).
    pub reweight: bool,
    /// Standardised Anscombe residual above which they do (`weightsThreshold`).
    pub reweight_above: f64,
    /// How the threshold is made (`thresholdMethod`).
    pub threshold: Threshold,
    /// No alarm below this many counts ... (`limit54[1]`)
    pub least_count: u64,
    /// ... in this many latest periods, the present one included (`limit54[2]`).
    pub least_count_periods: usize,
}

impl Default for Farrington {
    /// Weekly counts with the settings of Noufaily et al. (2013).
    fn default() -> Self {
        Self {
            periods_per_year: 52,
            years: 5,
            half_window: 3,
            seasons: 10,
            guard: 26,
            alpha: 0.01,
            trend: true,
            trend_p_value: 0.05,
            reweight: true,
            reweight_above: 2.58,
            threshold: Threshold::NegativeBinomial,
            least_count: 5,
            least_count_periods: 4,
        }
    }
}

/// What the method says of one period.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Expected count.
    pub expected: f64,
    /// Highest count that is not unusual; `None` where the fit allows none.
    pub upper: Option<f64>,
    /// Exceedance: above 1 is above the threshold. For both negative-binomial thresholds it is
    /// `(count - ln expected) / (upper - ln expected)`, which is what `farringtonFlexible` computes; [`Self::alarm`] does not
    /// depend on it being so.
    pub score: Option<f64>,
    /// Probability of a count at least this high.
    pub p_value: Option<f64>,
    /// Variance over mean, at least 1.
    pub dispersion: f64,
    /// Slope a period on the log scale, where a trend was kept.
    pub trend: Option<f64>,
    /// Whether the latest periods hold enough counts for an alarm; where not, `farringtonFlexible` shows no expectation.
    pub enough: bool,
    /// Whether this is an alarm.
    pub alarm: bool,
}

/// Why there is no verdict.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FarringtonError {
    /// The series does not reach back far enough.
    #[error("period {at} needs {needed} earlier periods and has {at}: lower `years` or wait")]
    History {
        /// The period asked for, counted from 0.
        at: usize,
        /// How many would be needed.
        needed: usize,
    },
    /// The period lies outside of the series.
    #[error("period {at} is not in a series of {length}")]
    Outside {
        /// The period asked for, counted from 0.
        at: usize,
        /// How long the series is.
        length: usize,
    },
    /// Settings that exclude one another.
    #[error("settings of the Farrington method: {0}")]
    Settings(&'static str),
    /// The regression did not settle, with or without a trend.
    #[error("the regression for period {at} did not converge")]
    Convergence {
        /// The period asked for, counted from 0.
        at: usize,
    },
}

impl Farrington {
    /// The verdict on `counts[at]`, looking at nothing after it.
    pub fn at(&self, counts: &[u64], at: usize) -> Result<Verdict, FarringtonError> {
        self.check(counts.len(), at)?;
        let rows = self.rows(counts, at);
        let now = at as f64;
        let here = self.seasons - 1;
        let unsettled = FarringtonError::Convergence { at };
        let mut fitted = self.fit(&rows, self.trend).ok_or(unsettled.clone())?;
        if let Some(slope) = fitted.fit.slope {
            let highest = rows.count.iter().fold(0.0f64, |a, b| a.max(*b));
            let t = slope / (fitted.residual_dispersion * fitted.fit.slope_variance()).sqrt();
            let significant = 2.0 * student_cdf(-t.abs(), fitted.fit.residual_degrees) < self.trend_p_value;
            if !(self.years >= 3 && significant && fitted.fit.link(here, now).exp() <= highest) {
                fitted = self.fit(&rows, false).ok_or(unsettled)?;
            }
        }
        let recent = &counts[(at + 1).saturating_sub(self.least_count_periods)..=at];
        Ok(self.verdict(&fitted, counts[at], here, now, recent.iter().sum::<u64>() >= self.least_count))
    }

    fn check(&self, length: usize, at: usize) -> Result<(), FarringtonError> {
        let between = self.periods_per_year.checked_sub(2 * self.half_window + 1);
        if self.years == 0 || self.seasons == 0 || between.is_none_or(|b| b + 1 < self.seasons) {
            return Err(FarringtonError::Settings("a year must hold the window and every other season"));
        }
        if !(self.alpha > 0.0 && self.alpha < 1.0) {
            return Err(FarringtonError::Settings("alpha must lie between 0 and 1"));
        }
        let needed = self.years * self.periods_per_year + self.half_window;
        if at >= length {
            return Err(FarringtonError::Outside { at, length });
        }
        if at < needed {
            return Err(FarringtonError::History { at, needed });
        }
        Ok(())
    }

    /// The history as rows: the windows around the same period of earlier years are the last season, what lies between is
    /// shared out evenly, the first seasons after a window being longer by one where it does not divide.
    fn rows(&self, counts: &[u64], at: usize) -> Rows {
        let (year, w, others) = (self.periods_per_year, self.half_window, self.seasons - 1);
        let mut rows = Rows { seasons: self.seasons, ..Rows::default() };
        let first = at - self.years * year - w;
        let end = at.saturating_sub(self.guard);
        for (period, count) in counts.iter().enumerate().take(end).skip(first) {
            let into_year = (period - first) % year;
            let season = if into_year < 2 * w + 1 { Some(others) } else { self.season_between(into_year - (2 * w + 1)) };
            if let Some(season) = season {
                rows.count.push(*count as f64);
                rows.time.push(period as f64);
                rows.season.push(season);
            }
        }
        rows
    }

    /// The season of a position between two windows; `None` where the window is the only season.
    fn season_between(&self, position: usize) -> Option<usize> {
        let (between, others) = (self.periods_per_year - 2 * self.half_window - 1, self.seasons - 1);
        let length = between.checked_div(others)?;
        let longer = between % others;
        let in_longer = longer * (length + 1);
        Some(if position < in_longer { position / (length + 1) } else { longer + (position - in_longer) / length })
    }

    /// Fits, weighs past outbreaks down, fits again. `None` where the first fit does not converge even without a trend.
    fn fit(&self, rows: &Rows, trend: bool) -> Option<Fitted> {
        let mut trend = trend;
        let mut fit = quasi_poisson::fit(rows, trend, None);
        if !fit.converged && trend {
            trend = false;
            fit = quasi_poisson::fit(rows, trend, None);
        }
        if !fit.converged {
            return None;
        }
        let raw = fit.dispersion(rows, &fit.weight);
        let dispersion = raw.max(1.0);
        if !self.reweight {
            return Some(Fitted { fit, dispersion, residual_dispersion: raw });
        }
        let weights = self.anscombe_weights(rows, &fit, dispersion);
        let fit = quasi_poisson::fit(rows, trend, Some(&weights));
        // The reference replaces the iteration weights by the outbreak weights before it tests the trend and predicts.
        let residual_dispersion = fit.dispersion(rows, &weights);
        Some(Fitted { dispersion: fit.dispersion(rows, &fit.weight).max(1.0), fit, residual_dispersion })
    }

    /// Weight `g / s^2` for rows whose standardised Anscombe residual `s` exceeds the threshold, `g` for the others, adding
    /// up to the number of rows.
    fn anscombe_weights(&self, rows: &Rows, fit: &Fit, dispersion: f64) -> Vec<f64> {
        let damping = |i: usize| {
            let (y, m) = (rows.count[i], fit.mean[i]);
            let raw = 1.5 * (y.cbrt().powi(2) * m.powf(-1.0 / 6.0) - m.sqrt());
            let s = raw / (dispersion * (1.0 - fit.leverage[i])).sqrt();
            if s > self.reweight_above { s.powi(-2) } else { 1.0 }
        };
        let mut weights: Vec<f64> = (0..rows.count.len()).map(damping).collect();
        let scale = weights.len() as f64 / weights.iter().sum::<f64>();
        weights.iter_mut().for_each(|w| *w *= scale);
        weights
    }

    fn verdict(&self, fitted: &Fitted, count: u64, season: usize, now: f64, enough: bool) -> Verdict {
        let link = fitted.fit.link(season, now);
        let expected = link.exp();
        let dispersion = fitted.dispersion;
        let link_error = (fitted.residual_dispersion * fitted.fit.variance(season, now)).sqrt();
        let z = normal_quantile(1.0 - self.alpha);
        let y = count as f64;
        let (upper, p_value, centre) = match self.threshold {
            Threshold::TwoThirdsPower => {
                let error = (expected * link_error).powi(2);
                let scale = (4.0 / 9.0 * expected.cbrt() * (dispersion + error / expected)).sqrt();
                let centre = expected.cbrt().powi(2);
                let upper = (centre + z * scale).powf(1.5);
                (Some(upper), 1.0 - normal_cdf((y.cbrt().powi(2) - centre) / scale), expected)
            }
            Threshold::NegativeBinomial | Threshold::UncertainMean => {
                let uncertain = self.threshold == Threshold::UncertainMean;
                let mean = if uncertain { (link + z * link_error).exp() } else { expected };
                let upper = negative_binomial::quantile(1.0 - self.alpha, mean, dispersion).map(|q| q as f64);
                (upper, negative_binomial::upper_tail(count, mean, dispersion), link)
            }
        };
        let score = upper.map(|upper| (y - centre) / (upper - centre)).filter(|score| score.is_finite());
        Verdict {
            expected,
            upper,
            score,
            p_value: p_value.is_finite().then_some(p_value),
            dispersion,
            trend: fitted.fit.slope,
            enough,
            alarm: enough && count > 0 && score.is_some_and(|score| score > 1.0),
        }
    }
}

/// A regression and its two dispersions.
struct Fitted {
    fit: Fit,
    /// Variance over mean of the counts, at least 1.
    dispersion: f64,
    /// The dispersion that standard errors are scaled with.
    residual_dispersion: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_on_a_flat_series_is_an_alarm_and_the_rest_is_not() {
        let mut counts: Vec<u64> = (0..400).map(|week| 10 + week * 7 % 5).collect();
        counts[399] = 60;
        let method = Farrington::default();
        let burst = method.at(&counts, 399).unwrap();
        assert!(burst.alarm && (burst.expected - 12.0).abs() < 0.5 && burst.p_value.unwrap() < 1e-9, "{burst:?}");
        assert!(!method.at(&counts, 398).unwrap().alarm);
    }

    #[test]
    fn an_old_outbreak_hardly_counts() {
        let mut counts: Vec<u64> = (0..400).map(|week| 10 + week * 7 % 5).collect();
        counts[399 - 2 * 52] = 300;
        let with = Farrington::default().at(&counts, 399).unwrap();
        let without = Farrington { reweight: false, ..Farrington::default() }.at(&counts, 399).unwrap();
        assert!(with.expected < 13.0 && without.expected > 18.0, "{} {}", with.expected, without.expected);
    }

    #[test]
    fn what_cannot_be_answered_is_said() {
        let method = Farrington::default();
        let zeros = [0; 300];
        assert!(matches!(method.at(&zeros, 200), Err(FarringtonError::History { needed: 263, .. })));
        assert!(matches!(method.at(&zeros, 300), Err(FarringtonError::Outside { .. })));
        let crowded = Farrington { seasons: 60, ..Farrington::default() };
        assert!(matches!(crowded.at(&zeros, 299), Err(FarringtonError::Settings(_))));
        if let Ok(verdict) = method.at(&zeros, 299) {
            assert!(!verdict.alarm && !verdict.enough);
        }
    }

    #[test]
    fn every_threshold_flags_what_is_far_out() {
        let mut counts: Vec<u64> = (0..400).map(|week| 10 + week * 7 % 5).collect();
        counts[399] = 80;
        for threshold in [Threshold::NegativeBinomial, Threshold::UncertainMean, Threshold::TwoThirdsPower] {
            let verdict = Farrington { threshold, ..Farrington::default() }.at(&counts, 399).unwrap();
            assert!(
                verdict.alarm && verdict.upper.unwrap() < 40.0 && verdict.upper.unwrap() > 12.0,
                "{threshold:?} {verdict:?}"
            );
        }
    }
}
