//! Are there such settings? Checked once for each instance that is declared, whatever is flattened.

use crate::book::{Declaration, Definition, Elements, Target};
use crate::read::Reader;
use crate::reference::shorten;
use crate::report::Report;
use crate::settings::Name;
use crate::value;
use blackbeam_components::Component;
use blackbeam_source::{Diagnostic, Key, Node};
use std::collections::HashMap;

impl Reader<'_, '_, '_> {
    /// The names of all settings that the instances of a circuit are given.
    pub(crate) fn check_settings(&mut self, k: usize) {
        let mut check = Check { definitions: &self.definitions, report: &mut self.report };
        for instance in &self.definitions[k].instances {
            check.instance(instance, &instance.settings[..instance.written]);
        }
    }
}

struct Check<'c, 'a, 'f> {
    definitions: &'c [Definition<'a>],
    report: &'c mut Report<'f>,
}

const EFFECT: &str = "SAX ignores it without a word, and so it has no effect";

impl Check<'_, '_, '_> {
    fn instance(&mut self, instance: &Declaration, entries: &[(Key, Node)]) {
        match &instance.target {
            Target::Primitive(component) => self.primitive(component, entries),
            Target::Circuit { definition, made: None } => self.circuit(*definition, "", entries),
            // the caller checks the settings of its components
            Target::Foreign(_) | Target::Circuit { .. } | Target::Unknown(_) | Target::Broken => {}
        }
    }

    fn primitive(&mut self, component: &Component, entries: &[(Key, Node)]) {
        let mut first: HashMap<usize, &Key> = HashMap::new();
        for (key, _) in entries {
            let Some(k) = component.setting(&key.name) else {
                self.unknown_primitive_setting(component, key);
                continue;
            };
            if let Some(other) = first.insert(k, key) {
                let name = component.settings[k].name;
                let message = format!("`{}` and `{}` are the same setting, `{name}`", other.name, key.name);
                let error = Diagnostic::error("setting-twice", message).at(key.span);
                self.report.push(error.note(other.span, "first here").help("keep one of them"));
            }
        }
    }

    fn unknown_primitive_setting(&mut self, component: &Component, key: &Key) {
        let names: Vec<&str> = component.settings.iter().map(|setting| setting.name).collect();
        let message = format!("`{}` has no setting `{}`", component.name, shorten(&key.name));
        let found = self.report.dropped("unknown-setting", message, EFFECT).at(key.span);
        let help = self.report.near(&key.name, names.iter());
        let all = match names.as_slice() {
            _ if key.name == "wl" => String::from("the wavelength is that of the whole circuit, not of an instance"),
            [] => String::from("it has none"),
            names => format!("its settings are {}", names.join(", ")),
        };
        self.report.push(found.help_some(help).help(all));
    }

    /// Settings of a circuit: those that it declares, and those of instances inside.
    fn circuit(&mut self, k: usize, prefix: &str, entries: &[(Key, Node)]) {
        let definition = &self.definitions[k];
        for (key, node) in entries {
            let name = format!("{prefix}{}", key.name);
            let inner = node.as_map().filter(|_| !value::is_distribution(node));
            match (definition.settings.names.get(&name), inner) {
                (Some(Name::Setting(_)), None) => {}
                (Some(Name::Group), Some(inner)) => self.circuit(k, &format!("{name}."), inner),
                (_, Some(inner)) if prefix.is_empty() && self.inner(definition, key, inner) => {}
                _ => self.unknown_circuit_setting(definition, key, node),
            }
        }
    }

    /// Settings for an instance inside, `ps: {phi: 1}` or `dc<0.1>: {..}`. False if there is no such instance.
    fn inner(&mut self, definition: &Definition, key: &Key, entries: &[(Key, Node)]) -> bool {
        let (name, index) = key.name.split_once('<').map_or((&*key.name, None), |(name, _)| (name, Some(&key.name)));
        let Some(instance) = definition.by_name.get(name).map(|i| &definition.instances[*i]) else { return false };
        if let Some(whole) = index {
            let is_there = match instance.elements {
                Elements::One(_) => {
                    definition.instances.iter().any(|i| format!("{}{}", i.name, i.elements.index(0)) == **whole)
                }
                Elements::Array { columns, rows } => {
                    let last = whole[name.len() + 1..].strip_suffix('>').and_then(|inner| inner.split_once('.'));
                    let place = last.and_then(|(c, r)| Some((c.parse::<u32>().ok()?, r.parse::<u32>().ok()?)));
                    place.is_some_and(|(c, r)| c < columns && r < rows)
                }
            };
            if !is_there {
                let message = format!("`{name}` has no element `{}`", shorten(&whole[name.len()..]));
                let error = Diagnostic::error("index-out-of-bounds", message).at(key.span);
                self.report.push(error.note(instance.span, "declared here"));
                return true;
            }
        }
        self.instance(instance, entries);
        true
    }

    fn unknown_circuit_setting(&mut self, definition: &Definition, key: &Key, node: &Node) {
        let settings: Vec<&str> = definition.settings.list.iter().map(|declared| &*declared.name).collect();
        let name = shorten(&key.name);
        let instance = definition.by_name.contains_key(&*key.name);
        let message = match node.as_map() {
            _ if instance => {
                format!("`{name}` is an instance inside of `{}`: its settings are a mapping", definition.name)
            }
            Some(_) => format!("`{}` has neither a setting nor an instance `{name}`", definition.name),
            None => format!("`{}` has no setting `{name}`", definition.name),
        };
        let found = self.report.dropped("unknown-setting", message, EFFECT).at(key.span);
        if instance {
            return self.report.push(found.help(format!("write `{name}: {{SETTING: VALUE}}`")));
        }
        let instances = definition.instances.iter().map(|instance| &*instance.name);
        let known: Vec<&str> = settings.iter().copied().chain(instances).collect();
        let help = self.report.near(&key.name, known.iter());
        let all = match settings.as_slice() {
            [] => format!(
                "`{}` declares no settings; those of an instance inside go in `{{INSTANCE: {{..}}}}`",
                definition.name
            ),
            names => format!("its settings are {}", names[..names.len().min(12)].join(", ")),
        };
        self.report.push(found.help_some(help).help(all));
    }
}
