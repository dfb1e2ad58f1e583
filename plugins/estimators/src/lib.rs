//! Zeroth-order estimators: how the parameters of a device should change, from queries alone. One file a method.
//!
//! - [`Gaussian`]: random Gaussian directions, forward or central differences, for the network's loss or for a
//!   cotangent at the device's outputs.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod gaussian;
mod settings;
#[cfg(test)]
mod test_host;

pub use gaussian::Gaussian;

use blackbeam_plugin::Plugin;

/// All estimators of this crate, ready to be registered or exported.
pub fn plugins() -> Vec<Plugin> {
    vec![Plugin::Estimator(Box::new(Gaussian))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use blackbeam_plugin::Kind;

    #[test]
    fn manifests_are_complete() {
        for plugin in plugins() {
            let manifest = plugin.manifest();
            assert_eq!(manifest.kind, Kind::Estimator);
            let schema: serde_json::Value = serde_json::from_str(&manifest.settings_schema).unwrap();
            assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
            assert_eq!(schema["additionalProperties"], false, "{}", manifest.name);
            for (name, property) in schema["properties"].as_object().unwrap() {
                assert!(property["description"].is_string(), "{}: {name} has no description", manifest.name);
            }
        }
    }
}
