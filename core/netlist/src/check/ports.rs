//! Ports that lead out, and lists of them.

use super::Check;
use crate::file::Paths;
use crate::places::Places;
use blackbeam_source::{Diagnostic, Node, Severity, Span, did_you_mean};

/// The outer names of a device's ports, in order.
pub(super) struct Outer {
    pub(super) inputs: Vec<String>,
    pub(super) outputs: Vec<String>,
}

impl Check {
    /// `ports`: every input and output of the instance, once, in order. Without the section the names are `in0`, `out0`, ...
    pub(super) fn ports(&mut self, root: &Node, places: &Places) -> Outer {
        let (n_in, n_out) = places.widths();
        let usual = |side: &str, n: usize| (0..n).map(|k| format!("{side}{k}")).collect::<Vec<_>>();
        let default = Outer { inputs: usual("in", n_in), outputs: usual("out", n_out) };
        let Some((section, entries)) = root.entry("ports").and_then(|(key, node)| Some((key, node.as_map()?))) else {
            return default;
        };
        if entries.is_empty() {
            return default;
        }
        let before = self.found.count(Severity::Error);
        let mut outer: [Vec<Option<(String, Span)>>; 2] = [vec![None; n_in], vec![None; n_out]];
        for (key, node) in entries {
            let Some(target) = node.as_str() else { continue };
            self.port(&key.name, key.span, target, node.span, places, &mut outer);
        }
        let [inputs, outputs] = outer;
        if self.found.count(Severity::Error) > before {
            return default;
        }
        let missing = |side: &str, ports: &[Option<(String, Span)>]| {
            ports.iter().position(Option::is_none).map(|k| format!("{side}{k}"))
        };
        if let Some(port) = missing("in", &inputs).or(missing("out", &outputs)) {
            let message =
                format!("`ports` leaves out `{port}`: a device with ports that lead nowhere is not supported yet");
            self.found.push(
                Diagnostic::error("not-supported-yet", message)
                    .at(section.span)
                    .help("name all ports, or leave `ports` out"),
            );
            return default;
        }
        let names = |ports: Vec<Option<(String, Span)>>| ports.into_iter().flatten().map(|(name, _)| name).collect();
        Outer { inputs: names(inputs), outputs: names(outputs) }
    }

    /// One entry, `in0-7: U,in0-7`.
    fn port(
        &mut self,
        name: &str,
        name_span: Span,
        target: &str,
        span: Span,
        places: &Places,
        outer: &mut [Vec<Option<(String, Span)>>; 2],
    ) {
        let known = places.known();
        let instance = known.first().map_or("", String::as_str);
        let Some((owner, port)) = target.split_once(',') else {
            let error = Diagnostic::error("bad-port", format!("`{target}` is not a port")).at(span);
            return self.found.push(error.help(format!("write `instance,port`, such as `{instance},in0`")));
        };
        if owner != instance {
            let error = Diagnostic::error("unknown-instance", format!("there is no instance `{owner}`")).at(span);
            return self.found.push(error.help_some(did_you_mean(owner, [instance])));
        }
        let sides = [("in", 0), ("out", 1)];
        let Some((prefix, first, last, side)) = sides.iter().find_map(|(prefix, side)| {
            let (first, last) = numbers(port.strip_prefix(prefix)?)?;
            (first <= last && last < outer[*side].len()).then_some((*prefix, first, last, *side))
        }) else {
            let (n_in, n_out) = places.widths();
            let error = Diagnostic::error("unknown-port", format!("`{instance}` has no port `{port}`")).at(span);
            return self.found.push(error.help(format!("its ports are in0-{} and out0-{}", n_in - 1, n_out - 1)));
        };
        let names = expand(name, last - first + 1);
        if names.len() != last - first + 1 {
            let message = format!("`{name}` is {} name(s) for {} port(s)", names.len(), last - first + 1);
            return self.error("port-count", message, name_span);
        }
        for (k, name) in (first..=last).zip(names) {
            if let Some((other, first)) = &outer[side][k] {
                let error =
                    Diagnostic::error("port-twice", format!("`{instance},{prefix}{k}` leads out twice")).at(name_span);
                return self.found.push(error.note(*first, format!("as `{other}` here")));
            }
            outer[side][k] = Some((name, name_span));
        }
    }

    /// The ports of `encoding` or `readout`: all of them, in order.
    pub(super) fn port_list(&mut self, list: Option<&Paths>, node: &Node, known: &[String]) {
        let Some(list) = list else { return };
        let texts = match list {
            Paths::One(one) => std::slice::from_ref(one),
            Paths::Many(many) => many.as_slice(),
        };
        let names: Vec<String> = texts.iter().flat_map(|text| expand(text, known.len())).collect();
        if names == known {
            return;
        }
        let all = match known {
            [] => String::new(),
            [one] => one.clone(),
            [first, .., last] => format!("{first} to {last}"),
        };
        let error = match names.iter().find(|name| !known.contains(name)) {
            Some(unknown) => Diagnostic::error("unknown-port", format!("there is no port `{unknown}` on this side"))
                .help_some(did_you_mean(unknown, known)),
            None => Diagnostic::error(
                "not-supported-yet",
                "ports in another order, or some of them only, are not supported yet",
            ),
        };
        self.found.push(error.at(node.span).help(format!("ports on this side: {all}")));
    }
}

/// `3` or `0-7`.
fn numbers(text: &str) -> Option<(usize, usize)> {
    match text.split_once('-') {
        Some((a, b)) => Some((a.parse().ok()?, b.parse().ok()?)),
        None => text.parse().ok().map(|k| (k, k)),
    }
}

/// `in0-7` as eight names; anything else as itself, as is a range of more than `limit` names.
fn expand(name: &str, limit: usize) -> Vec<String> {
    let range = name.rfind('-').and_then(|dash| {
        let digits = name[..dash].bytes().rev().take_while(u8::is_ascii_digit).count();
        let (prefix, first) = name[..dash].split_at(dash - digits);
        let (first, last) = (first.parse::<usize>().ok()?, name[dash + 1..].parse::<usize>().ok()?);
        (first <= last && last - first < limit).then(|| (first..=last).map(|k| format!("{prefix}{k}")).collect())
    });
    range.unwrap_or_else(|| vec![name.into()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_names() {
        assert_eq!(expand("in0-2", 8), ["in0", "in1", "in2"]);
        assert_eq!(expand("x-y", 8), ["x-y"]);
        assert_eq!(expand("in2-1", 8), ["in2-1"]);
        assert_eq!(expand("in0-999999999999", 8), ["in0-999999999999"]);
        assert_eq!(expand("a", 8), ["a"]);
    }
}
