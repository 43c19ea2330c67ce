//! Measures of probabilities and labels against the truth.

/// A stated probability of something that was or was not so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Forecast {
    pub(crate) probability: f64,
    pub(crate) so: bool,
}

fn outcome(forecast: &Forecast) -> f64 {
    f64::from(u8::from(forecast.so))
}

/// Mean squared error.
pub(crate) fn brier(forecasts: &[Forecast]) -> f64 {
    mean(forecasts.iter().map(|forecast| (forecast.probability - outcome(forecast)).powi(2)))
}

/// Expected calibration error: mean distance of stated and observed frequency over ten equal bins, weighted by
/// how many fall into each.
pub(crate) fn calibration_error(forecasts: &[Forecast]) -> f64 {
    let mut bins = [(0.0, 0.0); 10];
    for forecast in forecasts {
        let bin = &mut bins[((forecast.probability * 10.0) as usize).min(9)];
        bin.0 += forecast.probability;
        bin.1 += outcome(forecast);
    }
    bins.iter().map(|(stated, observed)| (stated - observed).abs()).sum::<f64>()
        / forecasts.len().max(1) as f64
}

/// Probability that what was so had the greater forecast than what was not.
pub(crate) fn auc(forecasts: &[Forecast]) -> f64 {
    let mut sorted: Vec<&Forecast> = forecasts.iter().collect();
    sorted.sort_by(|a, b| a.probability.total_cmp(&b.probability));
    let (mut below, mut wins, mut start) = (0.0, 0.0, 0);
    while start < sorted.len() {
        let equal = sorted[start..].iter().take_while(|f| f.probability == sorted[start].probability).count();
        let run = &sorted[start..start + equal];
        let so = run.iter().filter(|forecast| forecast.so).count() as f64;
        let not = equal as f64 - so;
        wins += so * (below + not / 2.0);
        below += not;
        start += equal;
    }
    wins / (below * (sorted.len() as f64 - below))
}

/// Part of the forecasts that were so.
pub(crate) fn precision(forecasts: impl Iterator<Item = bool>) -> f64 {
    mean(forecasts.map(|so| f64::from(u8::from(so))))
}

pub(crate) fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / count
}

/// Standard deviation of a sample.
pub(crate) fn spread(values: &[f64]) -> f64 {
    let centre = mean(values.iter().copied());
    let squares: f64 = values.iter().map(|value| (value - centre).powi(2)).sum();
    (squares / (values.len().max(2) - 1) as f64).sqrt()
}
