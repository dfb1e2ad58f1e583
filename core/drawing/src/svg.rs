//! A sheet of SVG.

use std::fmt::Write;

/// What is drawn, in pixels; y goes down.
#[derive(Default)]
pub(crate) struct Sheet {
    body: String,
    width: f64,
    height: f64,
}

/// Where text stands beside its point.
#[derive(Clone, Copy)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

impl Sheet {
    fn reach(&mut self, x: f64, y: f64) {
        self.width = self.width.max(x);
        self.height = self.height.max(y);
    }

    /// A box; `title` is what a pointer over it shows.
    pub fn rect(&mut self, (x, y): (f64, f64), (w, h): (f64, f64), fill: &str, stroke: &str, title: &str) {
        self.reach(x + w, y + h);
        let title = if title.is_empty() { String::new() } else { format!("<title>{}</title>", escape(title)) };
        let _ = writeln!(
            self.body,
            r#"<rect x="{x:.1}" y="{y:.1}" width="{w:.1}" height="{h:.1}" fill="{fill}" stroke="{stroke}">{title}</rect>"#
        );
    }

    /// A straight line.
    pub fn line(&mut self, (x0, y0): (f64, f64), (x1, y1): (f64, f64), stroke: &str) {
        self.reach(x0.max(x1), y0.max(y1));
        let _ = writeln!(self.body, r#"<path d="M{x0:.1} {y0:.1}L{x1:.1} {y1:.1}" stroke="{stroke}" fill="none"/>"#);
    }

    /// From a port to a port: a curve along the light, or against it a dashed line around below.
    pub fn link(&mut self, start: (f64, f64), end: (f64, f64), back: bool, title: &str) {
        let ((x0, y0), (x1, y1)) = (start, end);
        let (path, dash) = if back {
            // Further loops go further down, so that they can be told apart.
            let (right, left) = (x0 + 14.0, (x1 - 14.0).max(6.0));
            let level = y0.max(y1) + 26.0 + 0.03 * (x0 - x1).abs() + 0.11 * (x0 + x1) % 9.0;
            self.reach(right, level);
            let path = format!("M{x0:.1} {y0:.1}H{right:.1}V{level:.1}H{left:.1}V{y1:.1}H{x1:.1}");
            (path, r#" stroke-dasharray="5 3""#)
        } else {
            let reach = 0.5 * (x1 - x0).max(12.0);
            let (c0, c1) = (x0 + reach, x1 - reach);
            (format!("M{x0:.1} {y0:.1}C{c0:.1} {y0:.1} {c1:.1} {y1:.1} {x1:.1} {y1:.1}"), "")
        };
        self.reach(x0.max(x1), y0.max(y1));
        let title = escape(title);
        let _ =
            writeln!(self.body, r##"<path d="{path}" stroke="#444" fill="none"{dash}><title>{title}</title></path>"##);
    }

    /// Text of a size in pixels.
    pub fn text(&mut self, (x, y): (f64, f64), size: f64, anchor: Anchor, text: &str) {
        let (anchor, right) = match anchor {
            Anchor::Start => ("start", 0.62 * size * text.chars().count() as f64),
            Anchor::Middle => ("middle", 0.31 * size * text.chars().count() as f64),
            Anchor::End => ("end", 0.0),
        };
        self.reach(x + right, y + 2.0);
        let text = escape(text);
        let _ = writeln!(
            self.body,
            r#"<text x="{x:.1}" y="{y:.1}" font-size="{size}" text-anchor="{anchor}">{text}</text>"#
        );
    }

    /// The file.
    pub fn finish(self, title: &str) -> String {
        let (w, h) = (self.width + 20.0, self.height + 20.0);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w:.0}\" height=\"{h:.0}\" viewBox=\"0 0 {w:.0} {h:.0}\" \
             font-family=\"sans-serif\">\n<title>{}</title>\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{}</svg>\n",
            escape(title),
            self.body
        )
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
