//! Iteratively re-weighted least squares for counts with a log link (McCullagh & Nelder 1989, section 2.5), with the starting
//! values, the stopping rule and the bounds of R's `glm`. What a regression looks like is its caller's: it hands in the weighted
//! least squares of one step.

/// R's `glm.control(maxit)`.
pub const MAX_STEPS: usize = 25;
/// R's `glm.control(epsilon)`.
const ACCURACY: f64 = 1e-8;

/// Where the iteration ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Settled {
    /// Whether the deviance settled within [`MAX_STEPS`].
    pub converged: bool,
    /// Fitted mean of every row.
    pub mean: Vec<f64>,
    /// Iteration weight of every row, as the last step used it.
    pub weight: Vec<f64>,
}

/// Fits the means of `count`. `offset` is added to the linear predictor of a row, `prior` weighs a row; `solve` gets the weights
/// and the working response of a step and fills in the linear predictors, offsets left out.
pub fn run(
    count: &[f64],
    offset: Option<&[f64]>,
    prior: Option<&[f64]>,
    mut solve: impl FnMut(&[f64], &[f64], &mut [f64]),
) -> Settled {
    let n = count.len();
    let prior = |i: usize| prior.map_or(1.0, |w| w[i]);
    let offset = |i: usize| offset.map_or(0.0, |o| o[i]);
    let mut link: Vec<f64> = count.iter().map(|y| (y + 0.1).ln()).collect();
    let mut mean: Vec<f64> = link.iter().map(|e| inverse_link(*e)).collect();
    let (mut response, mut weight) = (vec![0.0; n], vec![0.0; n]);
    let mut deviance = deviance_of(count, &mean, prior);
    let mut converged = false;
    for _ in 0..MAX_STEPS {
        for i in 0..n {
            response[i] = link[i] - offset(i) + (count[i] - mean[i]) / mean[i];
            weight[i] = prior(i) * mean[i];
        }
        solve(&weight, &response, &mut link);
        for i in 0..n {
            link[i] += offset(i);
            mean[i] = inverse_link(link[i]);
        }
        let before = std::mem::replace(&mut deviance, deviance_of(count, &mean, prior));
        if !deviance.is_finite() {
            break;
        }
        if (deviance - before).abs() / (deviance.abs() + 0.1) < ACCURACY {
            converged = true;
            break;
        }
    }
    Settled { converged, mean, weight }
}

/// exp, kept above zero as R's `poisson()$linkinv` does.
fn inverse_link(link: f64) -> f64 {
    link.exp().max(f64::EPSILON)
}

fn deviance_of(count: &[f64], mean: &[f64], prior: impl Fn(usize) -> f64) -> f64 {
    let one = |(i, (y, m)): (usize, (&f64, &f64))| prior(i) * if *y > 0.0 { y * (y / m).ln() - (y - m) } else { *m };
    2.0 * count.iter().zip(mean).enumerate().map(one).sum::<f64>()
}
