//! From a tree to one of Kubernetes' own types, as the API server's strict decoder does it
//! (`sigs.k8s.io/json`, `UnmarshalStrict`): no scalar becomes another, nothing is ignored, and `null` is as good as
//! leaving the field out.

use std::cell::RefCell;
use std::fmt;

use k8s_openapi::Resource;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, Expected, IntoDeserializer,
    MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;

use super::quantity::{Quantity, QuantityError};
use super::yaml::{Entry, Node, Number, Value, resolve};
use super::{FieldPath, Problem, Step};

/// Reads `node` as a `T`: the first value of a wrong type is an error, and after that the first field that `T` lacks.
pub(super) fn read<T: DeserializeOwned + Resource>(node: &Node) -> Result<T, (FieldPath, Problem)> {
    let unknown = RefCell::new(Vec::new());
    let place = Place {
        node,
        path: FieldPath::default(),
        unknown: &unknown,
    };
    let object = T::deserialize(place).map_err(|misfit| {
        let field = misfit.field.unwrap_or_default();
        let problem = match misfit.what {
            What::Type(rule) => Problem::Refused {
                field: field.clone(),
                rule,
            },
            What::Quantity(why) => Problem::Quantity {
                field: field.clone(),
                why,
            },
        };
        (field, problem)
    })?;
    match unknown.into_inner().into_iter().next() {
        Some(field) => {
            let kind = format!("{} {}", T::API_VERSION, T::KIND);
            Err((field.clone(), Problem::UnknownField { field, kind }))
        }
        None => Ok(object),
    }
}

/// A node and the way to it.
struct Place<'a> {
    node: &'a Node,
    path: FieldPath,
    /// Where fields were that the type does not have.
    unknown: &'a RefCell<Vec<FieldPath>>,
}

/// A value that does not fit.
#[derive(Debug)]
struct Misfit {
    /// Where, once that is known.
    field: Option<FieldPath>,
    what: What,
}

#[derive(Debug)]
enum What {
    /// It is of another type; the rest of a sentence about the field.
    Type(String),
    /// It is no amount.
    Quantity(QuantityError),
}

impl Misfit {
    fn new(rule: impl Into<String>) -> Self {
        Self {
            field: None,
            what: What::Type(rule.into()),
        }
    }

    /// Keeps the innermost place.
    fn at(self, path: &FieldPath) -> Self {
        Self {
            field: self.field.or_else(|| Some(path.clone())),
            what: self.what,
        }
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Type(rule) => f.write_str(rule),
            What::Quantity(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Misfit {}

impl serde::de::Error for Misfit {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(format!("has a value that does not fit ({message})"))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("is {found}, but must be {}", wanted(expected)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }
}

/// What a type of Kubernetes calls itself, in words.
fn wanted(expected: &dyn Expected) -> String {
    match expected.to_string().as_str() {
        "IntOrString" => "a whole number or text".to_owned(),
        other => other.to_owned(),
    }
}

impl Value {
    /// What it is, as a part of a sentence.
    fn described(&self) -> String {
        match self {
            Self::Null => "empty".to_owned(),
            Self::Bool(_, written) => format!("the boolean {written}"),
            Self::Number(_, written) => format!("the number {written}"),
            Self::Text(text) => format!("the text \"{text}\""),
            Self::List(_) => "a list".to_owned(),
            Self::Map(_) => "a mapping".to_owned(),
        }
    }
}

impl<'a> Place<'a> {
    fn within(&self, node: &'a Node, step: Step) -> Self {
        Self {
            node,
            path: self.path.step(step),
            unknown: self.unknown,
        }
    }

    fn misfit(&self, wanted: &str, instead: Option<String>) -> Misfit {
        let found = self.node.value.described();
        let write = instead.map_or_else(String::new, |text| format!("; write {text}"));
        Misfit::new(format!("is {found}, but must be {wanted}{write}")).at(&self.path)
    }

    fn no_text(&self) -> Misfit {
        let instead = match &self.node.value {
            Value::Bool(_, written) | Value::Number(_, written) => Some(format!("\"{written}\"")),
            _ => None,
        };
        self.misfit("text", instead)
    }

    fn no_boolean(&self) -> Misfit {
        let instead = match &self.node.value {
            Value::Text(text) => match resolve(text) {
                Value::Bool(value, _) => Some(format!("{value}, without quotes")),
                _ => None,
            },
            _ => None,
        };
        self.misfit("true or false", instead)
    }

    /// The whole number here, where it fits between `least` and `most`.
    fn whole(&self, least: i64, most: i64) -> Result<i64, Misfit> {
        match &self.node.value {
            Value::Null => Ok(0),
            Value::Number(Number::Whole(value), _) => i64::try_from(*value)
                .ok()
                .filter(|value| (least..=most).contains(value))
                .ok_or_else(|| self.misfit(&format!("from {least} to {most}"), None)),
            Value::Text(text) => Err(match resolve(text) {
                Value::Number(Number::Whole(value), _) => {
                    self.misfit("a number", Some(format!("{value}, without quotes")))
                }
                _ => self.misfit("a whole number", None),
            }),
            _ => Err(self.misfit("a whole number", None)),
        }
    }

    /// The amount here as text, which is an amount (`Quantity.UnmarshalJSON`): null is none of it.
    fn quantity(&self) -> Result<String, Misfit> {
        let text = match &self.node.value {
            Value::Null => "0".to_owned(),
            Value::Text(text) => text.clone(),
            Value::Number(Number::Whole(value), _) => value.to_string(),
            Value::Number(Number::Float(value), _) => value.to_string(),
            _ => return Err(self.misfit("an amount such as 50m or 64Mi", None)),
        };
        let checked: Result<Quantity, _> = text.parse();
        match checked {
            Ok(_) => Ok(text),
            Err(error) => Err(Misfit {
                field: Some(self.path.clone()),
                what: What::Quantity(error.of(&self.path)),
            }),
        }
    }
}

impl<'de> Deserializer<'de> for Place<'_> {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        let path = self.path.clone();
        let value = match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value, _) => visitor.visit_bool(*value),
            Value::Number(Number::Whole(value), _) => match i64::try_from(*value) {
                Ok(value) => visitor.visit_i64(value),
                Err(_) => visitor.visit_f64(*value as f64),
            },
            Value::Number(Number::Float(value), _) => visitor.visit_f64(*value),
            Value::Text(text) => visitor.visit_str(text),
            Value::List(_) => return self.deserialize_seq(visitor),
            Value::Map(_) => return self.deserialize_map(visitor),
        };
        value.map_err(|misfit: Misfit| misfit.at(&path))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.node.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.node.value {
            Value::Null => visitor.visit_bool(false),
            Value::Bool(value, _) => visitor.visit_bool(value),
            _ => Err(self.no_boolean()),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match &self.node.value {
            Value::Null => visitor.visit_str(""),
            Value::Text(text) => visitor
                .visit_str(text)
                .map_err(|misfit: Misfit| misfit.at(&self.path)),
            _ => Err(self.no_text()),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.deserialize_str(visitor)
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_i64(self.whole(i32::MIN.into(), i32::MAX.into())?)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_i64(self.whole(i64::MIN, i64::MAX)?)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        let nodes = match &self.node.value {
            Value::Null => &[],
            Value::List(nodes) => nodes.as_slice(),
            _ => return Err(self.misfit("a list; begin each entry with `- `", None)),
        };
        let entries = nodes.iter().enumerate();
        visitor.visit_seq(Nodes {
            place: &self,
            entries,
        })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        let entries = match &self.node.value {
            Value::Null => &[],
            Value::Map(entries) => entries.as_slice(),
            _ => return Err(self.misfit("a mapping, with `key: value` on the lines below", None)),
        };
        visitor.visit_map(Entries {
            place: &self,
            rest: entries.iter(),
            next: None,
        })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        self.deserialize_map(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        match name {
            "Quantity" => visitor.visit_string(self.quantity()?),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    /// Only what a type has no field for is ignored.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.unknown.borrow_mut().push(self.path);
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i8 i16 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct enum
        identifier
    }
}

/// The entries of a list.
struct Nodes<'p, 'a, I> {
    place: &'p Place<'a>,
    entries: I,
}

impl<'de, 'a, I: Iterator<Item = (usize, &'a Node)>> SeqAccess<'de> for Nodes<'_, 'a, I> {
    type Error = Misfit;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Misfit> {
        let Some((index, node)) = self.entries.next() else {
            return Ok(None);
        };
        let place = self.place.within(node, Step::Index(index));
        let path = place.path.clone();
        seed.deserialize(place)
            .map(Some)
            .map_err(|misfit| misfit.at(&path))
    }
}

/// The entries of a mapping.
struct Entries<'p, 'a, I> {
    place: &'p Place<'a>,
    rest: I,
    next: Option<&'a Entry>,
}

impl<'de, 'a, I: Iterator<Item = &'a Entry>> MapAccess<'de> for Entries<'_, 'a, I> {
    type Error = Misfit;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Misfit> {
        self.next = self.rest.next();
        let key = self.next.map(|entry| entry.key.as_str());
        key.map(|key| seed.deserialize(key.into_deserializer()))
            .transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Misfit> {
        let Some(entry) = self.next.take() else {
            return Err(Misfit::custom("a value without a key"));
        };
        let place = self
            .place
            .within(&entry.value, Step::Key(entry.key.clone()));
        let path = place.path.clone();
        seed.deserialize(place).map_err(|misfit| misfit.at(&path))
    }
}
