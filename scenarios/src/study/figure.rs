//! One curve as SVG: the mean of each point, its confidence interval as a bar, one line for each series.

use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;

use super::{Estimate, Findings};

/// Colours that people with any kind of sight tell apart, darkest first.
const SERIES: &[RGBColor] = &[RGBColor(11, 92, 173), RGBColor(217, 96, 26), RGBColor(42, 157, 118)];
const SIZE: (u32, u32) = (640, 400);
const INK: RGBColor = RGBColor(60, 66, 74);

type Curve = Vec<(f64, Estimate)>;

pub(super) fn draw(findings: &Findings, sweep: usize, outcome: usize) -> Result<String, String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let curves = curves_of(findings, sweep, outcome);
        let values = || curves.iter().flat_map(|(_, curve)| curve);
        let left = values().map(|(x, _)| *x).fold(f64::INFINITY, f64::min);
        let right = values().map(|(x, _)| *x).fold(f64::NEG_INFINITY, f64::max);
        let top =
            values().map(|(_, estimate)| estimate.mean + estimate.half_width).fold(0.0, f64::max) * 1.08;
        let top = if top > 0.0 { top } else { 1.0 };
        let parameter = &findings.sweeps[sweep];
        let labels = (parameter.axis, findings.study.outcomes[outcome].axis);
        let drawn = match () {
            () if !left.is_finite() => Ok(()),
            () if parameter.is_logarithmic => {
                plot(&area, (left * 0.85..right * 1.15).log_scale(), top, labels, &curves)
            }
            () => {
                let margin = (right - left).max(1.0) * 0.05;
                plot(&area, left - margin..right + margin, top, labels, &curves)
            }
        };
        drawn.map_err(|error| error.to_string())?;
        area.present().map_err(|error| error.to_string())?;
    }
    Ok(svg)
}

fn curves_of(findings: &Findings, sweep: usize, outcome: usize) -> Vec<(&'static str, Curve)> {
    let mut curves: Vec<(&'static str, Curve)> = Vec::new();
    for (number, point) in findings.sweeps[sweep].points.iter().enumerate() {
        let Some(estimate) = findings.estimate(sweep, number, outcome) else { continue };
        match curves.iter_mut().find(|(series, _)| *series == point.series) {
            Some((_, curve)) => curve.push((point.x, estimate)),
            None => curves.push((point.series, vec![(point.x, estimate)])),
        }
    }
    curves
}

fn plot<'a, X>(
    area: &DrawingArea<SVGBackend<'a>, Shift>,
    x: X,
    top: f64,
    (x_label, y_label): (&str, &str),
    curves: &[(&'static str, Curve)],
) -> Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>
where
    X: AsRangedCoord<Value = f64>,
    X::CoordDescType: ValueFormatter<f64>,
{
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(area)
        .margin(14)
        .x_label_area_size(46)
        .y_label_area_size(64)
        .build_cartesian_2d(x, 0.0..top)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(WHITE)
        .bold_line_style(RGBColor(228, 231, 227))
        .axis_style(INK)
        .x_desc(x_label)
        .y_desc(y_label)
        .label_style(("sans-serif", 13).into_font().color(&INK))
        .axis_desc_style(("sans-serif", 14).into_font().color(&INK))
        .draw()?;
    for (number, (series, curve)) in curves.iter().enumerate() {
        let colour = SERIES[number % SERIES.len()];
        let line = curve.iter().map(|(x, estimate)| (*x, estimate.mean));
        let drawn = chart.draw_series(LineSeries::new(line.clone(), colour.stroke_width(2)))?;
        if !series.is_empty() {
            drawn
                .label(*series)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
        }
        chart.draw_series(line.map(|place| Circle::new(place, 3, colour.filled())))?;
        chart.draw_series(curve.iter().map(|(x, estimate)| {
            let Estimate { mean, half_width, .. } = estimate;
            ErrorBar::new_vertical(*x, (mean - half_width).max(0.0), *mean, mean + half_width, colour, 8)
        }))?;
    }
    if curves.len() > 1 {
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.85))
            .label_font(("sans-serif", 13).into_font().color(&INK))
            .draw()?;
    }
    Ok(())
}
