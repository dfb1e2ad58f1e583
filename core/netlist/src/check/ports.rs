//! Lists of outer ports.

use super::Check;
use crate::file::Paths;
use crate::scene::{Scene, WORK_OF_A_MATCH};
use blackbeam_schematic::glob;
use blackbeam_source::{Diagnostic, Node, Span, did_you_mean};

impl Check {
    /// The outer ports of `encoding` or `readout`, in order: indices into `Scene::ports`.
    pub(super) fn port_list(&mut self, list: &Paths, node: &Node, scene: &Scene) -> Vec<usize> {
        let texts: Vec<(&str, Span)> = match list {
            Paths::One(one) => vec![(one, node.span)],
            Paths::Many(many) => {
                let span = |i: usize| node.as_seq().and_then(|items| items.get(i)).map_or(node.span, |n| n.span);
                many.iter().enumerate().map(|(i, text)| (text.as_str(), span(i))).collect()
            }
        };
        let mut ports: Vec<usize> = Vec::new();
        let mut seen = vec![false; scene.ports.len()];
        for (text, span) in texts {
            for port in self.ports_named(text, span, scene) {
                if std::mem::replace(&mut seen[port], true) {
                    self.error("port-twice", format!("the port `{}` stands twice", scene.ports[port].0), span);
                } else {
                    ports.push(port);
                }
            }
        }
        ports
    }

    /// The ports that a name, a range of names or a glob means, or an error.
    pub(super) fn ports_named(&mut self, text: &str, span: Span, scene: &Scene) -> Vec<usize> {
        if self.blind || !self.may_look(scene, span) {
            return Vec::new();
        }
        if text.contains(['*', '?']) {
            let matching: Vec<usize> = (0..scene.ports.len()).filter(|k| glob(text, &scene.ports[*k].0)).collect();
            scene.spend(scene.ports.len() + WORK_OF_A_MATCH * matching.len());
            if matching.is_empty() {
                self.found.push(unknown_port(text, span, scene));
            }
            return matching;
        }
        let mut ports = Vec::new();
        let names = expand(text, scene.ports.len());
        scene.spend(WORK_OF_A_MATCH * names.len());
        for name in names {
            match scene.port(&name) {
                Some(port) => ports.push(port),
                None if self.may_look(scene, span) => {
                    scene.spend(WORK_OF_A_MATCH * scene.ports.len());
                    self.found.push(unknown_port(&name, span, scene));
                }
                None => return Vec::new(),
            }
        }
        ports
    }
}

fn unknown_port(name: &str, span: Span, scene: &Scene) -> Diagnostic {
    let known: Vec<&str> = scene.ports.iter().map(|(name, _)| name.as_str()).collect();
    let error = Diagnostic::error("unknown-port", format!("the device has no port `{name}`")).at(span);
    let shown: Vec<String> = known.iter().take(12).map(|name| format!("`{name}`")).collect();
    let more = if known.len() > 12 { format!(", ... ({} in all)", known.len()) } else { String::new() };
    let help = if known.is_empty() {
        String::from("name the ports that lead out under `ports`")
    } else {
        format!("ports here: {}{more}", shown.join(", "))
    };
    error.help_some(did_you_mean(name, known)).help(help)
}

/// `in0-7` as eight names; anything else as itself, as is a range of more than `limit` names.
pub(super) fn expand(name: &str, limit: usize) -> Vec<String> {
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
