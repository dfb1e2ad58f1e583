//! Settings: from JSON, and their schema.

use blackbeam_plugin::{PluginError, RString, Result};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde::de::DeserializeOwned;

/// The JSON schema (draft 07) of `T`, without references, so that it can be put into another schema.
pub fn schema<T: JsonSchema>() -> RString {
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<T>();
    schema.as_value().to_string().into()
}

/// The settings of method `method` from `json`; nothing at all stands for `{}`.
///
/// # Errors
/// `SETTINGS` if the text is not JSON or does not fit `T`.
pub fn read<T: DeserializeOwned>(method: &str, json: &str) -> Result<T> {
    let json = if json.trim().is_empty() { "{}" } else { json };
    serde_json::from_str(json).map_err(|error| PluginError::settings(format!("{method}: {error}")))
}
