//! Random stacks of layers against burn.
#![allow(clippy::unwrap_used)]

mod support;

use blackbeam_layers::{Layer, shapes};
use blackbeam_plugin::Key;
use support::{agrees, layers};

const SIMPLE: [&str; 8] = ["relu", "tanh", "sigmoid", "sine", "layer_norm", "softmax", "bias", "complex"];

struct Draws {
    key: Key,
    next: u64,
}

impl Draws {
    /// 1 to `most`.
    fn number(&mut self, most: usize) -> usize {
        self.next += 1;
        self.key.block(self.next)[0] as usize % most + 1
    }

    fn layer(&mut self, shape: &[usize]) -> String {
        let (a, b, c) = (self.number(9), self.number(3), self.number(2));
        let bias = c == 1;
        match (shape.len(), self.number(7)) {
            (3, 1 | 2) => {
                format!(
                    r#"{{"conv2d": {{"out": {a}, "kernel": {b}, "stride": {c}, "padding": {}, "bias": {bias}}}}}"#,
                    self.number(3) - 1
                )
            }
            (3, 3) => r#"{"max_pool": {"kernel": 2}}"#.into(),
            (3, 4) => format!(r#"{{"avg_pool": {{"kernel": {b}, "stride": {c}}}}}"#),
            (3, 5) => format!(r#"{{"adaptive_avg_pool": {{"size": [{b}, {c}]}}}}"#),
            (3, 6) => r#""tokens""#.into(),
            (2, 1) => r#""mean""#.into(),
            (_, 1 | 2) => format!(r#"{{"linear": {{"out": {a}, "bias": {bias}}}}}"#),
            (_, 3) => format!(
                r#"{{"residual": {{"layers": ["{}", "sine", {{"resize": {{"out": {}}}}}]}}}}"#,
                SIMPLE[self.number(7) - 1],
                shape[shape.len() - 1]
            ),
            (_, 4) => format!(r#"{{"resize": {{"out": {a}}}}}"#),
            _ => format!(r#""{}""#, SIMPLE[self.number(8) - 1]),
        }
    }
}

#[test]
fn stacks() {
    let mut tried = 0;
    for seed in 0..120 {
        let mut draws = Draws { key: Key::new(seed), next: 0 };
        let start: &[usize] = [&[7][..], &[3, 6], &[2, 7, 6]][draws.number(3) - 1];
        let mut stack: Vec<Layer> = Vec::new();
        let mut shape = start.to_vec();
        for _ in 0..draws.number(6) {
            let mut longer = stack.clone();
            longer.extend(layers(&format!("[{}]", draws.layer(&shape))));
            // a layer that does not fit is left out
            let Ok(found) = shapes(&longer, start, &|_| None) else { continue };
            shape = found.iter().rfind(|shape| shape.path.len() == 1).unwrap().output.clone();
            stack = longer;
        }
        tried += stack.len();
        agrees(&format!("{seed}: {stack:?}"), &stack, start, seed, 1e-11);
    }
    assert!(tried > 250, "{tried} layers");
}
