//! Means and their 95 % confidence intervals, by Student's distribution: a handful of seeds is a small sample.

/// What a sample says.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Estimate {
    pub runs: usize,
    pub mean: f64,
    /// The true mean lies within this of `mean`, in 95 of 100 such samples.
    pub half_width: f64,
    pub least: f64,
    pub most: f64,
}

/// The 97.5 % quantile of Student's distribution for 1, 2, 3 ... degrees of freedom.
const STUDENT: &[f64] = &[
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];
const NORMAL: f64 = 1.960;

impl Estimate {
    pub fn of(sample: &[f64]) -> Option<Estimate> {
        let runs = sample.len();
        let mean = sample.iter().sum::<f64>() / runs as f64;
        let squares: f64 = sample.iter().map(|value| (value - mean).powi(2)).sum();
        let half_width = match runs {
            0 => return None,
            1 => 0.0,
            _ => {
                let deviation = (squares / (runs - 1) as f64).sqrt();
                STUDENT.get(runs - 2).copied().unwrap_or(NORMAL) * deviation / (runs as f64).sqrt()
            }
        };
        let least = sample.iter().copied().fold(f64::INFINITY, f64::min);
        let most = sample.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Some(Estimate { runs, mean, half_width, least, most })
    }
}

/// The value below which the share `q` of a sorted sample lies.
pub(super) fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((last as f64 * q).round() as usize).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_the_textbook() {
        let estimate = Estimate::of(&[4.0, 6.0, 8.0]).unwrap();
        assert_eq!((estimate.runs, estimate.mean, estimate.least, estimate.most), (3, 6.0, 4.0, 8.0));
        // The deviation is 2: 4.303 * 2 / sqrt(3).
        assert!((estimate.half_width - 4.9687).abs() < 0.001, "{}", estimate.half_width);
        assert_eq!(Estimate::of(&[]), None);
        assert_eq!(Estimate::of(&[5.0]).unwrap().half_width, 0.0);
        let many: Vec<f64> = (0..200).map(|n| f64::from(n % 2)).collect();
        assert!((Estimate::of(&many).unwrap().half_width - 1.96 * 0.50125 / 200_f64.sqrt()).abs() < 1e-4);
    }

    #[test]
    fn quantiles_are_values_of_the_sample() {
        let sample: Vec<f64> = (0..101).map(f64::from).collect();
        assert_eq!((quantile(&sample, 0.5), quantile(&sample, 0.99)), (Some(50.0), Some(99.0)));
        assert_eq!(quantile(&[], 0.5), None);
    }
}
