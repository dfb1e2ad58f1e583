//! A tree as a typed value, by serde. Unlike JSON, a tree holds infinities.

use crate::{Node, Number, Value};
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, EnumAccess, Error as _, IntoDeserializer, VariantAccess, Visitor};
use serde::forward_to_deserialize_any;

/// Why a tree is not the value asked for. After [`schema::validate`](crate::schema::validate) without errors this is a
/// fault of the schema, not of the file.
pub type Mismatch = serde::de::value::Error;

impl Node {
    /// The tree as a `T`.
    ///
    /// # Errors
    /// The first thing that does not fit; positions are not known here.
    pub fn to<T: DeserializeOwned>(&self) -> Result<T, Mismatch> {
        T::deserialize(Reader(self))
    }
}

#[derive(Clone, Copy)]
struct Reader<'a>(&'a Node);

impl<'a> IntoDeserializer<'a, Mismatch> for Reader<'a> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

fn visit_number<'a, V: Visitor<'a>>(n: &Number, visitor: V) -> Result<V::Value, Mismatch> {
    match n.integer.map(|i| (u64::try_from(i), i64::try_from(i))) {
        Some((Ok(u), _)) => visitor.visit_u64(u),
        Some((_, Ok(i))) => visitor.visit_i64(i),
        _ => visitor.visit_f64(n.value),
    }
}

/// `3.0` and `1e3` are integers to a field that wants one, as they are to the schema.
fn visit_integer<'a, V: Visitor<'a>>(reader: Reader<'a>, visitor: V) -> Result<V::Value, Mismatch> {
    match &reader.0.value {
        Value::Number(n) => {
            visit_number(&Number { integer: n.as_i128(), value: n.value, text: String::new() }, visitor)
        }
        _ => reader.deserialize_any(visitor),
    }
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match &self.0.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(b) => visitor.visit_bool(*b),
            Value::Number(n) => visit_number(n, visitor),
            Value::String(s) => visitor.visit_borrowed_str(s),
            Value::Seq(items) => visitor.visit_seq(SeqDeserializer::new(items.iter().map(Reader))),
            Value::Map(entries) => {
                visitor.visit_map(MapDeserializer::new(entries.iter().map(|(k, v)| (k.name.as_str(), Reader(v)))))
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        match &self.0.value {
            Value::String(s) => visitor.visit_enum(Variant { name: s, content: None }),
            Value::Map(entries) => match entries.as_slice() {
                [(key, node)] => visitor.visit_enum(Variant { name: &key.name, content: Some(Reader(node)) }),
                _ => Err(Mismatch::custom("expected a mapping with one key")),
            },
            _ => Err(Mismatch::custom(format!("expected a name, found {}", self.0.kind()))),
        }
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visit_integer(self, visitor)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visit_integer(self, visitor)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visit_integer(self, visitor)
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visit_integer(self, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i128 u8 u16 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map
        struct identifier ignored_any
    }
}

struct Variant<'a> {
    name: &'a str,
    content: Option<Reader<'a>>,
}

impl<'a> EnumAccess<'a> for Variant<'a> {
    type Error = Mismatch;
    type Variant = Self;

    fn variant_seed<S: serde::de::DeserializeSeed<'a>>(self, seed: S) -> Result<(S::Value, Self), Mismatch> {
        let name: serde::de::value::StrDeserializer<'a, Mismatch> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'a> VariantAccess<'a> for Variant<'a> {
    type Error = Mismatch;

    fn unit_variant(self) -> Result<(), Mismatch> {
        match self.content {
            None => Ok(()),
            Some(_) => Err(Mismatch::custom(format!("`{}` takes no value", self.name))),
        }
    }

    fn newtype_variant_seed<S: serde::de::DeserializeSeed<'a>>(self, seed: S) -> Result<S::Value, Mismatch> {
        seed.deserialize(self.content.ok_or_else(|| Mismatch::custom(format!("`{}` needs a value", self.name)))?)
    }

    fn tuple_variant<V: Visitor<'a>>(self, _: usize, visitor: V) -> Result<V::Value, Mismatch> {
        let content = self.content.ok_or_else(|| Mismatch::custom(format!("`{}` needs a list", self.name)))?;
        content.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'a>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Mismatch> {
        let content = self.content.ok_or_else(|| Mismatch::custom(format!("`{}` needs a mapping", self.name)))?;
        content.deserialize_any(visitor)
    }
}

#[cfg(test)]
mod tests {
    use crate::Source;
    use serde::Deserialize;

    #[derive(Deserialize, Debug, PartialEq)]
    #[serde(rename_all = "snake_case")]
    enum Shape {
        Plain,
        Pair(f64, f64),
        Named { a: u32 },
        One(f64),
    }

    #[derive(Deserialize, Debug, PartialEq)]
    #[serde(untagged)]
    enum Either {
        Number(f64),
        Names(Vec<String>),
    }

    #[derive(Deserialize, Debug, PartialEq)]
    #[serde(tag = "kind", rename_all = "snake_case")]
    enum Tagged {
        Ou { tau: f64, clip: Option<[f64; 2]> },
    }

    #[derive(Deserialize, Debug, PartialEq)]
    struct All {
        seed: u64,
        n: u32,
        shapes: Vec<Shape>,
        either: Vec<Either>,
        tagged: Tagged,
        none: Option<bool>,
    }

    #[test]
    fn all_forms_of_enums_and_numbers() {
        let text = "
seed: 18446744073709551615
n: 1e2
shapes: [plain, {pair: [1, .inf]}, {named: {a: 3.0}}, {one: 2}]
either: [1, [x, 'y']]
tagged: {kind: ou, tau: 600, clip: [0, .inf]}
none: ~
";
        let all: All = Source::new("x", text).parse().unwrap().to().unwrap();
        let shapes = vec![Shape::Plain, Shape::Pair(1.0, f64::INFINITY), Shape::Named { a: 3 }, Shape::One(2.0)];
        let either = vec![Either::Number(1.0), Either::Names(vec!["x".into(), "y".into()])];
        let tagged = Tagged::Ou { tau: 600.0, clip: Some([0.0, f64::INFINITY]) };
        assert_eq!(all, All { seed: u64::MAX, n: 100, shapes, either, tagged, none: None });
        let wrong = Source::new("x", "{seed: x}").parse().unwrap().to::<All>();
        assert!(wrong.unwrap_err().to_string().contains("invalid type"));
    }
}
