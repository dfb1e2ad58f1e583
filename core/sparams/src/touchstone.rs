//! Touchstone 1 files (.s1p, .s2p, ..).
//!
//! `# GHz S MA R 50` states the unit of frequency (Hz, kHz, MHz, GHz, THz), the parameter (S only) and the form of the
//! pairs of numbers: MA (magnitude, degrees), DB (decibels, degrees) or RI (real, imaginary). `!` begins a comment. Two ports stand
//! as S11 S21 S12 S22, more ports row by row (S11 S12 S13 ..). A noise table after the data of two ports is left out.
//!
//! The format is of RF: waves go as exp(+jwt), a line turns the phase backwards. [`read`] gives the numbers of the file; pass
//! them through [`Model::conjugated`] for the convention of this crate. [`write()`] conjugates and says so in a comment.
//!
//! Ports are named `o1`, `o2`, .. unless comments `! Port[1] = name` name them all, as HFSS, scikit-rf and [`write()`] do.
//! Source: Touchstone File Format Specification, version 1.1.

use std::io::{self, Write};
use std::path::Path;

use num_complex::Complex64;

use crate::number::{clip, number};
use crate::{Error, Limits, Model, Result};

/// The number of ports in the end of a name, `.sNp`.
pub(crate) fn ports_of_path(path: &Path) -> Option<usize> {
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    extension.strip_prefix('s')?.strip_suffix('p')?.parse().ok().filter(|ports| *ports > 0)
}

/// What the option line states.
#[derive(Clone, Copy)]
struct Options {
    unit_hz: f64,
    form: Form,
}

#[derive(Clone, Copy)]
enum Form {
    MagnitudeAngle,
    DecibelAngle,
    RealImaginary,
}

impl Form {
    fn value(self, a: f64, b: f64) -> Complex64 {
        match self {
            Self::MagnitudeAngle => Complex64::from_polar(a, b.to_radians()),
            Self::DecibelAngle => Complex64::from_polar(10f64.powf(a / 20.0), b.to_radians()),
            Self::RealImaginary => Complex64::new(a, b),
        }
    }
}

/// Reads a file of `ports` ports as it is, of the convention exp(+jwt). `file` names it in errors.
///
/// # Errors
/// What is wrong, and in which line.
pub fn read(text: &str, ports: usize, file: &str, limits: &Limits) -> Result<Model> {
    parse(text, ports, limits).map_err(|error| error.in_file(file))
}

fn parse(text: &str, ports: usize, limits: &Limits) -> Result<Model> {
    limits.check(ports, 1)?;
    let size = 1 + 2 * ports * ports;
    let mut options: Option<Options> = None;
    let mut names: Vec<Option<String>> = vec![None; ports];
    let mut record: Vec<f64> = Vec::with_capacity(size);
    let (mut f, mut s): (Vec<f64>, Vec<Complex64>) = (Vec::new(), Vec::new());
    let mut last = 0;
    for (line, at) in text.trim_start_matches('\u{feff}').lines().zip(1..) {
        let (data, comment) = line.split_once('!').unwrap_or((line, ""));
        if let Some((port, name)) = port_name(comment).filter(|(port, _)| *port <= ports) {
            names[port - 1] = Some(name.to_owned());
        }
        let data = data.trim();
        if data.is_empty() {
            continue;
        }
        last = at;
        if data.starts_with('[') {
            let what = format!("the keyword `{}` of Touchstone 2", clip(data));
            return Err(Error::new(what).at(at).expected("Touchstone 1").help("save the file as version 1"));
        }
        if let Some(stated) = data.strip_prefix('#') {
            // The specification lets later option lines be ignored.
            if options.is_none() {
                options = Some(option_line(stated, at)?);
            }
            continue;
        }
        let Some(options) = options else {
            return Err(Error::new("data before the option line").at(at).expected("a line such as `# GHz S MA R 50`"));
        };
        // One more than fits is enough to refuse a line.
        let tokens: Vec<&str> = data.split_whitespace().take(size + 2).collect();
        let falls = || Ok(f.last().is_some_and(|f| number(tokens[0], at).is_ok_and(|x| x * options.unit_hz <= *f)));
        if record.is_empty() && ports == 2 && tokens.len() == 5 && falls()? {
            break;
        }
        check_row(record.len(), tokens.len(), size, ports, at)?;
        for token in tokens {
            record.push(number(token, at)?);
        }
        if record.len() == size {
            limits.check(ports, f.len() + 1).map_err(|error| error.at(at))?;
            take_record(&record, options, ports, at, &mut f, &mut s)?;
            record.clear();
        }
    }
    if !record.is_empty() {
        let what = format!("the last sample has {} numbers", record.len());
        return Err(Error::new(what).at(last).expected(format!("{size} for {ports} ports")));
    }
    let stock = || (1..=ports).map(|port| format!("o{port}")).collect();
    Model::from_frequencies(names.into_iter().collect::<Option<_>>().unwrap_or_else(stock), f, s, limits)
}

/// `Port[1] = name` in a comment.
fn port_name(comment: &str) -> Option<(usize, &str)> {
    let (port, name) = comment.trim().strip_prefix("Port[")?.split_once(']')?;
    let name = name.trim_start().strip_prefix('=')?.trim();
    Some((port.parse().ok().filter(|port| *port > 0)?, name)).filter(|(_, name)| !name.is_empty())
}

fn option_line(text: &str, at: usize) -> Result<Options> {
    let mut options = Options { unit_hz: 1e9, form: Form::MagnitudeAngle };
    let mut words = text.split_whitespace();
    while let Some(word) = words.next() {
        match word.to_ascii_lowercase().as_str() {
            "hz" => options.unit_hz = 1.0,
            "khz" => options.unit_hz = 1e3,
            "mhz" => options.unit_hz = 1e6,
            "ghz" => options.unit_hz = 1e9,
            "thz" => options.unit_hz = 1e12,
            "s" => {}
            "ma" => options.form = Form::MagnitudeAngle,
            "db" => options.form = Form::DecibelAngle,
            "ri" => options.form = Form::RealImaginary,
            "r" => {
                number(words.next().unwrap_or(""), at).map_err(|error| error.help("`R` needs an impedance"))?;
            }
            "y" | "z" | "g" | "h" => {
                let what = format!("{} parameters", word.to_ascii_uppercase());
                return Err(Error::new(what).at(at).expected("S parameters").help("convert the data to S parameters"));
            }
            _ => {
                let what = format!("`{}` in the option line", clip(word));
                return Err(Error::new(what).at(at).expected("a unit, S, MA, DB or RI, and R with an impedance"));
            }
        }
    }
    Ok(options)
}

/// The first line of a sample has an odd number of numbers (frequency and pairs), the others have pairs.
fn check_row(have: usize, more: usize, size: usize, ports: usize, at: usize) -> Result<()> {
    let odd = more % 2 == 1;
    let short = ports <= 2 && more != size;
    if odd != (have == 0) || have + more > size || short {
        let what = match have {
            0 => format!("a sample begins with {more} numbers"),
            _ => format!("{more} numbers after {have} of a sample"),
        };
        let expected = format!("{size} in all for {ports} ports: a frequency and {} pairs", ports * ports);
        return Err(Error::new(what)
            .at(at)
            .expected(expected)
            .help("does the end of the name tell the ports, as .s2p?"));
    }
    Ok(())
}

fn take_record(
    record: &[f64],
    options: Options,
    ports: usize,
    at: usize,
    f: &mut Vec<f64>,
    s: &mut Vec<Complex64>,
) -> Result<()> {
    let frequency = record[0] * options.unit_hz;
    if f.last().is_some_and(|last| frequency <= *last) {
        let what = format!("{frequency} Hz after {} Hz", f[f.len() - 1]);
        return Err(Error::new(what).at(at).expected("rising frequencies"));
    }
    f.push(frequency);
    let value = |to: usize, from: usize| {
        let place = if ports == 2 { from * 2 + to } else { to * ports + from };
        options.form.value(record[1 + 2 * place], record[2 + 2 * place])
    };
    s.extend((0..ports * ports).map(|pair| value(pair / ports, pair % ports)));
    if s[s.len() - ports * ports..].iter().any(|s| !s.norm().is_finite()) {
        return Err(Error::new("a magnitude beyond all numbers").at(at).expected("decibels of a passive component"));
    }
    Ok(())
}

/// Writes the conjugated data (convention exp(+jwt), as a comment says), in Hz, real and imaginary parts that read back to the same bits.
///
/// # Errors
/// What `out` reports.
pub fn write(model: &Model, out: &mut impl Write) -> io::Result<()> {
    let p = model.ports().len();
    writeln!(out, "! phase convention: exp(+jwt); a wave that goes on loses phase (conjugate for exp(+ikL))")?;
    for (name, port) in model.ports().iter().zip(1..) {
        writeln!(out, "! Port[{port}] = {name}")?;
    }
    writeln!(out, "# Hz S RI R 50")?;
    for (k, f) in model.f_hz().iter().enumerate() {
        write!(out, "{f:?}")?;
        let s = model.sample(k);
        for row in 0..p {
            for column in 0..p {
                let at = if p == 2 { column * 2 + row } else { row * p + column };
                if p > 2 && (column > 0 && column % 4 == 0 || column == 0 && row > 0) {
                    write!(out, "\n ")?;
                }
                write!(out, " {:?} {:?}", s[at].re, -s[at].im)?;
            }
        }
        writeln!(out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(text: &str, ports: usize) -> Model {
        read(text, ports, "m.snp", &Limits::default()).unwrap()
    }

    #[test]
    fn units_and_forms() {
        for (unit, hz) in [("Hz", 1.0), ("kHz", 1e3), ("MHZ", 1e6), ("ghz", 1e9), ("THz", 1e12)] {
            assert_eq!(model(&format!("# {unit} S RI R 50\n2 0.5 -0.25\n"), 1).f_hz(), [2.0 * hz]);
        }
        let s = |form: &str, a: f64, b: f64| model(&format!("! c\n# {form} S\n2 {a} {b} ! end\n"), 1).sample(0)[0];
        assert_eq!(s("RI", 0.5, -0.25), Complex64::new(0.5, -0.25));
        assert!((s("MA", 0.5, 30.0) - Complex64::new(0.1875f64.sqrt(), 0.25)).norm() < 1e-15);
        assert!((s("DB", -20.0, 180.0) + 0.1).norm() < 1e-15);
        assert_eq!(model("#\n3 1 0\n", 1).f_hz(), [3e9], "the defaults are GHz S MA R 50");
    }

    #[test]
    fn two_ports_stand_by_columns_and_three_by_rows() {
        let two = model("# Hz S RI\n1 11 0 21 0 12 0 22 0\n2 1 0 1 0 1 0 1 0\n1 0.1 0.2 0.3 0.4\n", 2);
        assert_eq!(two.ports(), ["o1", "o2"]);
        assert_eq!(two.samples(), 2, "the noise table is left out");
        let re: Vec<f64> = two.sample(0).iter().map(|s| s.re).collect();
        assert_eq!(re, [11.0, 12.0, 21.0, 22.0]);
        let three = model("# Hz S RI\n1 11 0 12 0 13 0\n21 0 22 0 23 0\n31 0 32 0 33 0\n", 3);
        let re: Vec<f64> = three.sample(0).iter().map(|s| s.re).collect();
        assert_eq!(re, [11.0, 12.0, 13.0, 21.0, 22.0, 23.0, 31.0, 32.0, 33.0]);
    }

    #[test]
    fn written_files_conjugate_and_read_back_to_the_bit() {
        for ports in [1, 2, 3, 4, 5, 9] {
            let names = (0..ports).map(|port| format!("out {port}")).collect();
            let value = |i: usize| Complex64::new((i as f64 + 0.1).sin(), (i as f64 * 0.7).cos() * 1e-9);
            let s = (0..2 * ports * ports).map(value).collect();
            let first = Model::from_wavelengths(names, vec![1.55, 1.5], s, &Limits::default()).unwrap();
            let mut out = Vec::new();
            write(&first, &mut out).unwrap();
            let text = String::from_utf8(out).unwrap();
            assert!(text.starts_with("! phase convention: exp(+jwt)"));
            assert!(text.lines().all(|line| line.starts_with('!') || line.split_whitespace().count() <= 9));
            let again = model(&text, ports).conjugated();
            assert_eq!((again.ports(), again.f_hz(), &again.s), (first.ports(), first.f_hz(), &first.s), "{ports}");
        }
    }

    #[test]
    fn bad_files_say_where() {
        for (ports, text, expect) in [
            (1, "", "m.snp: no S-parameters"),
            (1, "# GHz S\n", "m.snp: no S-parameters"),
            (1, "1 0 0\n", "m.snp:1: data before the option line"),
            (1, "[Version] 2.0\n", "m.snp:1: the keyword `[Version] 2.0` of Touchstone 2"),
            (1, "# GHz Y\n", "m.snp:1: Y parameters"),
            (1, "# GHz S XY\n", "m.snp:1: `XY` in the option line"),
            (1, "# GHz S R\n", "m.snp:1: `` is not a number; expected a number; `R` needs"),
            (1, "# GHz S\n1 0\n", "m.snp:2: a sample begins with 2 numbers; expected 3"),
            (1, "# GHz S\n1 0 0 0 0\n", "m.snp:2: a sample begins with 5 numbers"),
            (1, "# GHz S\n1 x 0\n", "m.snp:2: `x` is not a number"),
            (1, "# GHz S\n1 1e999 0\n", "m.snp:2: `1e999` is not finite"),
            (1, "# GHz S DB\n1 1e9 0\n", "m.snp:2: a magnitude beyond all numbers"),
            (1, "# GHz S\n2 0 0\n1 0 0\n", "m.snp:3: 1000000000 Hz after 2000000000 Hz"),
            (1, "# GHz S\n-1 0 0\n", "m.snp: sample 0 is at -1000000000 Hz"),
            (2, "# GHz S\n1 0 0\n", "m.snp:2: a sample begins with 3 numbers; expected 9 in all"),
            (3, "# GHz S\n1 0 0 0 0 0 0\n0 0 0 0 0 0\n", "m.snp:3: the last sample has 13 numbers; expected 19"),
            (3, "# GHz S\n1 0 0 0 0 0 0\n2 0 0 0 0 0 0\n", "m.snp:3: 7 numbers after 7 of a sample"),
            (300, "# GHz S\n", "m.snp: 300 ports"),
        ] {
            let error = read(text, ports, "m.snp", &Limits::default()).unwrap_err().to_string();
            assert!(error.contains(expect), "{text:?}: {error}");
        }
    }
}
