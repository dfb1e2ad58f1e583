//! Zeroth-order estimators: how the parameters of a device should change, from queries alone. One file a method.
//!
//! - [`Gaussian`]: random directions, forward or central differences, for the network's loss or for a cotangent at the
//!   device's outputs; [`Sign`]: its signs; [`Layered`]: in one layer of a mesh at a time; [`Natural`]: shaped by the Fisher
//!   information of a block.
//! - [`Coordinate`]: difference quotients of single parameters, all of them or some.
//! - [`GaussNewton`]: Levenberg-Marquardt steps from a measured Jacobian.
//! - [`Hybrid`]: one estimator first, another one later.
//! - [`ParameterShift`], [`Local`]: exact gradients of devices whose structure allows it.
//! - [`Spsa`], [`OpenaiEs`], [`GuidedEs`], [`Hizoo`], [`Lozo`]: random directions with a scale, a shape or a memory of their own.
//! - [`Stp`], [`Scd`], [`CmaEs`]: searches that compare losses and take the better parameters.

#![cfg_attr(test, allow(clippy::unwrap_used))]

#[cfg(test)]
mod all_tests;
pub mod cma_es;
mod compress;
pub mod coordinate;
mod coordinates;
mod directions;
pub mod gauss_newton;
pub mod gaussian;
pub mod guided_es;
pub mod hizoo;
pub mod hybrid;
#[cfg(test)]
mod identity_tests;
mod jacobian;
pub mod layered;
mod linalg;
pub mod local;
pub mod lozo;
mod mu;
pub mod natural;
mod objective;
pub mod openai_es;
mod pairs;
pub mod parameter_shift;
pub mod scd;
mod search;
mod settings;
mod shift;
pub mod sign;
mod snr;
pub mod spsa;
mod state;
mod steps;
pub mod stp;
#[cfg(test)]
mod test_host;

pub use cma_es::CmaEs;
pub use coordinate::Coordinate;
pub use gauss_newton::GaussNewton;
pub use gaussian::Gaussian;
pub use guided_es::GuidedEs;
pub use hizoo::Hizoo;
pub use hybrid::Hybrid;
pub use layered::Layered;
pub use local::Local;
pub use lozo::Lozo;
pub use mu::auto_step;
pub use natural::Natural;
pub use openai_es::OpenaiEs;
pub use parameter_shift::ParameterShift;
pub use scd::Scd;
pub use sign::Sign;
pub use spsa::Spsa;
pub use stp::Stp;

use blackbeam_plugin::Plugin;

/// All estimators of this crate, ready to be registered or exported.
pub fn plugins() -> Vec<Plugin> {
    let mut all = methods();
    all.push(Plugin::Estimator(Box::new(Hybrid)));
    all
}

/// Those that stand for themselves: what `hybrid` puts together.
fn methods() -> Vec<Plugin> {
    vec![
        Plugin::Estimator(Box::new(Gaussian)),
        Plugin::Estimator(Box::new(Sign)),
        Plugin::Estimator(Box::new(Coordinate)),
        Plugin::Estimator(Box::new(Natural)),
        Plugin::Estimator(Box::new(Layered)),
        Plugin::Estimator(Box::new(GaussNewton)),
        Plugin::Estimator(Box::new(Local)),
        Plugin::Estimator(Box::new(ParameterShift)),
        Plugin::Estimator(Box::new(Spsa)),
        Plugin::Estimator(Box::new(Stp)),
        Plugin::Estimator(Box::new(Scd)),
        Plugin::Estimator(Box::new(GuidedEs)),
        Plugin::Estimator(Box::new(OpenaiEs)),
        Plugin::Estimator(Box::new(CmaEs)),
        Plugin::Estimator(Box::new(Hizoo)),
        Plugin::Estimator(Box::new(Lozo)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_host::{CosineBank, registered};
    use blackbeam_plugin::{Key, Kind, Open, OutcomeKind};

    /// Every method with its default settings on a small device of every structure: what it asks for is what it says, and
    /// what it finds is finite.
    #[test]
    fn costs_are_what_is_asked() {
        let bank = CosineBank::new(5, 4, 3);
        let host = bank.host();
        for plugin in plugins() {
            let name = plugin.manifest().name;
            let open = Open { settings: "".into(), seed: 0, threads: 1, ideal: false };
            let mut estimator = registered(&name).make(&open, &host.descriptor).unwrap();
            for step in 0..3 {
                let said = estimator.cost(&host.inputs(step));
                let played = host.play(estimator.as_mut(), Key::new(1).with(step), step);
                // of a search that stops where it has found what it sought, the most
                if name == "scd" {
                    assert!(played.cost.configurations <= said.configurations && played.cost.vectors <= said.vectors);
                } else {
                    assert_eq!(played.cost, said, "{name}, step {step}");
                }
                let values = &played.result.values;
                assert!(values.iter().all(|v| v.is_finite()), "{name}, step {step}");
                assert_eq!(values.is_empty(), played.result.outcome == OutcomeKind::None, "{name}, step {step}");
            }
        }
    }

    #[test]
    fn manifests_are_complete() {
        for plugin in plugins() {
            let manifest = plugin.manifest();
            assert_eq!(manifest.kind, Kind::Estimator);
            let schema: serde_json::Value = serde_json::from_str(&manifest.settings_schema).unwrap();
            assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
            assert_eq!(schema["additionalProperties"], false, "{}", manifest.name);
            // a method without settings has no properties
            for (name, property) in schema["properties"].as_object().into_iter().flatten() {
                assert!(property["description"].is_string(), "{}: {name} has no description", manifest.name);
            }
        }
    }
}
