//! Spectra.

use plotters::prelude::*;
use std::fmt;

/// One transmission over wavelength.
#[derive(Clone, Debug)]
pub struct Curve {
    /// What it is: `in0 -> out0`.
    pub name: String,
    /// (wavelength in um, |S|^2 in dB).
    pub points: Vec<(f64, f64)>,
}

/// Why there is no plot.
#[derive(Debug)]
pub struct PlotError(String);

impl fmt::Display for PlotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PlotError {}

/// What is darker than this is not shown, dB.
const FLOOR: f64 = -80.0;

/// Plots curves over wavelength as SVG of 900 x 540 pixels.
///
/// # Errors
/// If there is nothing to plot: no curve, or fewer than two wavelengths.
pub fn spectrum(title: &str, curves: &[Curve]) -> Result<String, PlotError> {
    let points = || curves.iter().flat_map(|c| &c.points);
    let (low, high) = points().fold((f64::MAX, f64::MIN), |(a, b), p| (a.min(p.0), b.max(p.0)));
    if low >= high {
        return Err(PlotError("a plot needs at least two wavelengths: `--wl START:STOP:POINTS`".into()));
    }
    let shown = |db: f64| if db.is_finite() { db.max(FLOOR) } else { FLOOR };
    let (bottom, top) = points().fold((f64::MAX, f64::MIN), |(a, b), p| (a.min(shown(p.1)), b.max(shown(p.1))));
    let margin = (0.05 * (top - bottom)).max(0.5);
    let mut svg = String::new();
    let drawn = draw(&mut svg, title, curves, (low, high), (bottom - margin, top + margin));
    drawn.map_err(|e| PlotError(format!("the plot cannot be drawn: {e}")))?;
    Ok(svg)
}

fn draw(
    svg: &mut String,
    title: &str,
    curves: &[Curve],
    (low, high): (f64, f64),
    (bottom, top): (f64, f64),
) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::with_string(svg, (900, 540)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(56)
        .build_cartesian_2d(low..high, bottom..top)?;
    chart
        .configure_mesh()
        .x_desc("wavelength (um)")
        .y_desc("|S|^2 (dB)")
        .x_label_formatter(&|x| format!("{x:.4}"))
        .draw()?;
    for (k, curve) in curves.iter().enumerate() {
        let colour = HSLColor(0.61 * k as f64 % 1.0, 0.75, 0.4);
        let points = curve.points.iter().map(|&(wl, db)| (wl, if db.is_finite() { db.max(FLOOR) } else { FLOOR }));
        let series = chart.draw_series(LineSeries::new(points, colour.stroke_width(1)))?;
        if curves.len() <= 24 {
            series.label(&curve.name).legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], colour));
        }
    }
    if curves.len() <= 24 {
        chart.configure_series_labels().background_style(WHITE.mix(0.8)).border_style(BLACK).draw()?;
    }
    area.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spectrum_has_its_names_and_curves() {
        let curve = |name: &str, db: f64| Curve { name: name.into(), points: vec![(1.5, db), (1.55, -3.0), (1.6, db)] };
        let svg = spectrum("ring", &[curve("in -> out", f64::NEG_INFINITY), curve("in -> drop", -1.0)]).unwrap();
        assert!(svg.starts_with("<svg") && svg.contains("in -&gt; drop") && svg.contains("ring"), "{svg}");
        assert!(svg.matches("<polyline").count() >= 2);
        assert!(spectrum("one", &[Curve { name: "a".into(), points: vec![(1.55, 0.0)] }]).is_err());
    }
}
