//! Distribution functions and quantiles on top of `statrs`' special functions.
//!
//! The incomplete beta function is our own: a table tick evaluates it some hundred thousand times, and passing ln B(a, b)
//! in saves most of the work. Everything is checked against `statrs` in the tests.

use statrs::function::gamma;

/// Relative accuracy that iterations stop at.
const ACCURACY: f64 = 1e-15;
/// Bound on every iteration below; reached by none with finite arguments.
const MAX_STEPS: usize = 100_000;

/// P(Z <= z) of the standard normal distribution, accurate to the last digits in both tails.
pub fn normal_cdf(z: f64) -> f64 {
    0.5 * libm::erfc(-z * std::f64::consts::FRAC_1_SQRT_2)
}

/// The z with P(Z <= z) = `p`; infinite at 0 and 1, NaN outside. By rational functions (Wichura 1988, algorithm AS 241), good to the
/// last digits.
pub fn normal_quantile(p: f64) -> f64 {
    const MIDDLE: [f64; 8] = [
        3.387_132_872_796_366_5,
        133.141_667_891_784_38,
        1_971.590_950_306_551_3,
        13_731.693_765_509_46,
        45_921.953_931_549_87,
        67_265.770_927_008_7,
        33_430.575_583_588_13,
        2_509.080_928_730_122_7,
    ];
    const MIDDLE_BELOW: [f64; 8] = [
        1.0,
        42.313_330_701_600_91,
        687.187_007_492_057_9,
        5_394.196_021_424_751,
        21_213.794_301_586_597,
        39_307.895_800_092_71,
        28_729.085_735_721_943,
        5_226.495_278_852_854,
    ];
    const TAIL: [f64; 8] = [
        1.423_437_110_749_683_5,
        4.630_337_846_156_546,
        5.769_497_221_460_691,
        3.647_848_324_763_204_5,
        1.270_458_252_452_368_4,
        0.241_780_725_177_450_6,
        0.022_723_844_989_269_184,
        0.000_774_545_014_278_341_4,
    ];
    const TAIL_BELOW: [f64; 8] = [
        1.0,
        2.053_191_626_637_759,
        1.676_384_830_183_803_8,
        0.689_767_334_985_1,
        0.148_103_976_427_480_08,
        0.015_198_666_563_616_457,
        0.000_547_593_808_499_534_5,
        1.050_750_071_644_416_9e-9,
    ];
    const FAR: [f64; 8] = [
        6.657_904_643_501_103,
        5.463_784_911_164_114,
        1.784_826_539_917_291_3,
        0.296_560_571_828_504_87,
        0.026_532_189_526_576_124,
        0.001_242_660_947_388_078_4,
        2.711_555_568_743_487_6e-5,
        2.010_334_399_292_288_1e-7,
    ];
    const FAR_BELOW: [f64; 8] = [
        1.0,
        0.599_832_206_555_888,
        0.136_929_880_922_735_8,
        0.014_875_361_290_850_615,
        0.000_786_869_131_145_613_3,
        1.846_318_317_510_054_8e-5,
        1.421_511_758_316_446e-7,
        2.044_263_103_389_939_7e-15,
    ];
    if p.is_nan() || !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    let ratio = |above: &[f64; 8], below: &[f64; 8], x: f64| polynomial(above, x) / polynomial(below, x);
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        return q * ratio(&MIDDLE, &MIDDLE_BELOW, 0.180_625 - q * q);
    }
    let tail = p.min(1.0 - p);
    if tail == 0.0 {
        return f64::INFINITY.copysign(q);
    }
    let r = (-tail.ln()).sqrt();
    let z = if r <= 5.0 { ratio(&TAIL, &TAIL_BELOW, r - 1.6) } else { ratio(&FAR, &FAR_BELOW, r - 5.0) };
    z.copysign(q)
}

fn polynomial(coefficients: &[f64; 8], x: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, coefficient| sum * x + coefficient)
}

/// The z that a two-sided normal interval of coverage `level` uses, 1.96 for 0.95.
pub fn two_sided_z(level: f64) -> f64 {
    normal_quantile(0.5 + 0.5 * level)
}

/// P(X <= x) for X ~ Gamma(shape, rate 1).
pub fn gamma_cdf(shape: f64, x: f64) -> f64 {
    if x <= 0.0 {
        0.0
    } else if x == f64::INFINITY {
        1.0
    } else {
        gamma::checked_gamma_lr(shape, x).unwrap_or(f64::NAN)
    }
}

/// P(X > x) for X ~ Gamma(shape, rate 1), accurate where it is small.
pub fn gamma_sf(shape: f64, x: f64) -> f64 {
    if x <= 0.0 {
        1.0
    } else if x == f64::INFINITY {
        0.0
    } else {
        gamma::checked_gamma_ur(shape, x).unwrap_or(f64::NAN)
    }
}

/// The x with P(X <= x) = `p` for X ~ Gamma(shape, rate 1). Half a chi-squared quantile with `2 shape` degrees of freedom.
pub fn gamma_quantile(shape: f64, p: f64) -> f64 {
    if p <= 0.0 || shape <= 0.0 {
        return 0.0;
    }
    if p >= 1.0 {
        return f64::INFINITY;
    }
    // Wilson and Hilferty's cube, or the first term of the series where that leaves the positive numbers.
    let cube = 1.0 - 1.0 / (9.0 * shape) + normal_quantile(p) / (3.0 * shape.sqrt());
    let guess = if cube > 0.1 { shape * cube.powi(3) } else { ((p.ln() + gamma::ln_gamma(shape + 1.0)) / shape).exp() };
    let ln_gamma = gamma::ln_gamma(shape);
    let excess = |x: f64| if p < 0.5 { gamma_cdf(shape, x) - p } else { (1.0 - p) - gamma_sf(shape, x) };
    let density = |x: f64| ((shape - 1.0) * x.ln() - x - ln_gamma).exp();
    let curvature = |x: f64| (shape - 1.0) / x - 1.0;
    solve(guess, (0.0, f64::INFINITY), excess, density, curvature)
}

/// ln B(a, b).
pub fn ln_beta(a: f64, b: f64) -> f64 {
    gamma::ln_gamma(a) + gamma::ln_gamma(b) - gamma::ln_gamma(a + b)
}

/// The regularised incomplete beta function I_x(a, b): P(X <= x) for X ~ Beta(a, b). At a = 0 all mass is at 0, at b = 0 at 1.
pub fn beta_cdf(a: f64, b: f64, x: f64) -> f64 {
    if a <= 0.0 || b <= 0.0 { beta_cdf_with(a, b, 0.0, x) } else { beta_cdf_with(a, b, ln_beta(a, b), x) }
}

/// [`beta_cdf`] with ln B(a, b) known.
pub fn beta_cdf_with(a: f64, b: f64, ln_beta: f64, x: f64) -> f64 {
    if a <= 0.0 || x >= 1.0 {
        return 1.0;
    }
    if b <= 0.0 || x <= 0.0 {
        return 0.0;
    }
    BetaTails::of(a, b, ln_beta, x).at_most
}

/// Both tails of a Beta variable at `x`, each accurate where it is small.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BetaTails {
    /// P(X <= x).
    pub at_most: f64,
    /// P(X > x).
    pub above: f64,
    /// x^a (1 - x)^b / B(a, b): over `a`, by how much `at_most` falls where `a` grows by one.
    pub front: f64,
}

impl BetaTails {
    /// For positive `a` and `b`, `ln_beta` their ln B(a, b), and `x` inside 0 to 1.
    pub fn of(a: f64, b: f64, ln_beta: f64, x: f64) -> Self {
        let front = (a * x.ln() + b * (-x).ln_1p() - ln_beta).exp();
        if x <= (a + 1.0) / (a + b + 2.0) {
            let at_most = front * continued_fraction(a, b, x) / a;
            Self { at_most, above: 1.0 - at_most, front }
        } else {
            let above = front * continued_fraction(b, a, 1.0 - x) / b;
            Self { at_most: 1.0 - above, above, front }
        }
    }
}

/// The continued fraction of the incomplete beta function (DLMF 8.17.22), by the modified Lentz method.
fn continued_fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let away_from_zero = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut value = d;
    for step in 1..MAX_STEPS {
        let m = step as f64;
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / away_from_zero(1.0 + even * d);
        c = away_from_zero(1.0 + even / c);
        value *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / away_from_zero(1.0 + odd * d);
        c = away_from_zero(1.0 + odd / c);
        value *= d * c;
        if (d * c - 1.0).abs() < ACCURACY {
            break;
        }
    }
    value
}

/// The x with I_x(a, b) = `p`.
pub fn beta_quantile(a: f64, b: f64, p: f64) -> f64 {
    if a <= 0.0 || b <= 0.0 { beta_quantile_with(a, b, 0.0, p) } else { beta_quantile_with(a, b, ln_beta(a, b), p) }
}

/// [`beta_quantile`] with ln B(a, b) known.
pub fn beta_quantile_with(a: f64, b: f64, ln_beta: f64, p: f64) -> f64 {
    if a <= 0.0 || p <= 0.0 {
        return 0.0;
    }
    if b <= 0.0 || p >= 1.0 {
        return 1.0;
    }
    let excess = |x: f64| beta_cdf_with(a, b, ln_beta, x) - p;
    let density = |x: f64| ((a - 1.0) * x.ln() + (b - 1.0) * (-x).ln_1p() - ln_beta).exp();
    let curvature = |x: f64| (a - 1.0) / x - (b - 1.0) / (1.0 - x);
    solve(beta_guess(a, b, ln_beta, p), (0.0, 1.0), excess, density, curvature)
}

/// A first guess at a beta quantile: Abramowitz and Stegun 26.5.22 where both parameters are at least 1, else the leading
/// term of the tail in which `p` lies.
fn beta_guess(a: f64, b: f64, ln_beta: f64, p: f64) -> f64 {
    if a >= 1.0 && b >= 1.0 {
        let y = -normal_guess(p);
        let (u, v) = (1.0 / (2.0 * a - 1.0), 1.0 / (2.0 * b - 1.0));
        let lambda = (y * y - 3.0) / 6.0;
        let h = 2.0 / (u + v);
        let w = y * (h + lambda).max(0.0).sqrt() / h - (v - u) * (lambda + 5.0 / 6.0 - 2.0 / (3.0 * h));
        a / (a + b * (2.0 * w).exp())
    } else {
        let low = ((p * a).ln() + ln_beta) / a;
        if low < 0.0 { low.exp() } else { 1.0 - (((1.0 - p) * b).ln() + ln_beta).min(0.0).exp().powf(1.0 / b) }
    }
}

/// A normal quantile to three digits (Abramowitz and Stegun 26.2.23): enough to start from, without an inverse error function.
fn normal_guess(p: f64) -> f64 {
    let t = (-2.0 * p.min(1.0 - p).ln()).sqrt();
    let z = t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
    if p < 0.5 { -z } else { z }
}

/// Where the increasing function `excess` crosses zero between `start` and `end`: Halley's steps, kept inside a shrinking
/// bracket. `curvature` is the derivative of the logarithm of `density`, which is the derivative of `excess`.
fn solve(
    guess: f64,
    (start, end): (f64, f64),
    excess: impl Fn(f64) -> f64,
    density: impl Fn(f64) -> f64,
    curvature: impl Fn(f64) -> f64,
) -> f64 {
    const MAX_HALVINGS: usize = 200;
    let (mut low, mut high) = (start, end);
    let mut x = if guess > low && guess < high { guess } else { middle(low, high) };
    for _ in 0..MAX_HALVINGS {
        let error = excess(x);
        if error == 0.0 {
            return x;
        }
        if error > 0.0 {
            high = x
        } else {
            low = x
        }
        let newton = error / density(x);
        let halley = x - newton / (1.0 - 0.5 * (newton * curvature(x)).clamp(-1.0, 1.0));
        // Convergence is cubic: after a step this small the error is below what a double can hold.
        if (halley - x).abs() <= 1e-5 * x.min(end - x) {
            return halley.clamp(start, end);
        }
        let next = if halley > low && halley < high { halley } else { middle(low, high) };
        if next == x {
            return x;
        }
        x = next;
    }
    x
}

/// The middle of a bracket, on a logarithmic scale where its ends are orders of magnitude apart.
fn middle(low: f64, high: f64) -> f64 {
    if high == f64::INFINITY {
        return 2.0 * low.max(0.5);
    }
    if low > 0.0 && high > 4.0 * low { (low * high).sqrt() } else { low + 0.5 * (high - low) }
}

/// P(T <= t) of Student's distribution.
pub fn student_cdf(t: f64, degrees: f64) -> f64 {
    let tail = 0.5 * beta_cdf(0.5 * degrees, 0.5, degrees / (degrees + t * t));
    if t > 0.0 { 1.0 - tail } else { tail }
}

/// The t with P(T <= t) = `p` of Student's distribution.
pub fn student_quantile(p: f64, degrees: f64) -> f64 {
    // P(|T| > t) is the incomplete beta function at degrees / (degrees + t^2).
    let outside = 2.0 * p.min(1.0 - p);
    let share = beta_quantile(0.5 * degrees, 0.5, outside);
    let t = (degrees * (1.0 - share) / share).sqrt();
    if p < 0.5 { -t } else { t }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn close(left: f64, right: f64, tolerance: f64) -> bool {
        (left - right).abs() <= tolerance * right.abs().max(1e-300) || (left - right).abs() < 1e-14
    }

    #[test]
    fn known_values() {
        assert!(close(normal_quantile(0.975), 1.959_963_984_540_054, 1e-13));
        assert!(close(normal_cdf(-1.0), 0.158_655_253_931_457_05, 1e-13));
        assert!(close(gamma_quantile(0.5, 0.95) * 2.0, 3.841_458_820_694_124, 1e-12), "chi-squared, 1 degree");
        assert!(close(student_cdf(2.0, 5.0), 0.949_030_260_585_070_9, 1e-12));
        assert!(close(student_quantile(0.975, 10.0), 2.228_138_851_964_938_6, 1e-9));
        assert!(close(student_quantile(0.025, 1e6), -1.959_966_4, 1e-6) && student_quantile(0.5, 3.0).abs() < 1e-9);
        assert_eq!((beta_quantile(0.0, 3.0, 0.5), beta_quantile(3.0, 0.0, 0.5)), (0.0, 1.0));
        assert!(normal_quantile(f64::NAN).is_nan() && normal_quantile(1.5).is_nan());
    }

    proptest! {
        #[test]
        fn normal_quantile_inverts(p in 1e-12..1.0f64, exponent in 1.0..300.0f64) {
            prop_assert!((normal_cdf(normal_quantile(p)) / p - 1.0).abs() < 1e-12);
            let small = 10f64.powf(-exponent);
            prop_assert!((normal_cdf(normal_quantile(small)) / small - 1.0).abs() < 1e-11, "{small}");
            prop_assert!((normal_cdf(-p) - 0.5 * gamma_sf(0.5, 0.5 * p * p)).abs() < 1e-14);
        }

        #[test]
        fn beta_agrees_with_statrs(a in 0.05..500.0f64, b in 0.05..2000.0f64, x in 0.0001..0.9999f64) {
            prop_assert!((beta_cdf(a, b, x) - statrs::function::beta::beta_reg(a, b, x)).abs() < 1e-10);
        }

        #[test]
        fn beta_quantile_inverts(a in 0.02..5000.0f64, b in 0.02..5000.0f64, p in 1e-6..0.999_999f64) {
            let x = beta_quantile(a, b, p);
            prop_assert!((0.0..=1.0).contains(&x));
            let at_an_end = !(1e-290..1.0 - 1e-14).contains(&x);
            prop_assert!((beta_cdf(a, b, x) - p).abs() < 1e-9 || at_an_end, "{a} {b} {p}: {x}");
            let below = beta_cdf(a, b, x * (1.0 - 1e-9));
            let above = beta_cdf(a, b, (x * (1.0 + 1e-9)).min(1.0));
            prop_assert!(below <= p + 1e-10 && above >= p - 1e-10, "{a} {b} {p}: {x} {below} {above}");
        }

        #[test]
        fn gamma_quantile_inverts(shape in 0.05..1e5f64, p in 1e-9..0.999_999_999f64) {
            let x = gamma_quantile(shape, p);
            prop_assert!((gamma_cdf(shape, x) - p).abs() < 1e-9 * p.max(1e-3), "{shape} {p}: {x}");
        }
    }
}
